import type { MasterName, SubsetName } from '../../model/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { MasterLinks } from '../master-links.ts';
import type { RollFollower } from './roll-follower.ts';

export interface ReturnOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
}

export interface ReturnDependencies {
  readonly follower: RollFollower;
  readonly directory: Directory;
  readonly links: MasterLinks;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether packets come and go between this master and that one. */
  readonly isAlive: (master: MasterName) => boolean;
}

const lookEveryMs = 500;
/** After a refusal: the acting master may be busy with another change. */
const askAgainMs = 5_000;

/**
 * Has a home master take its subset back once it has been well for the VPN's `settleMs` without a
 * break. Runs until the signal is aborted, as it is when the subset is this master's again.
 */
export async function returnWhenSettled(
  options: ReturnOptions,
  dependencies: ReturnDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, directory } = dependencies;
  let wellSinceMs: number | undefined;
  while (!signal.aborted) {
    const acting = returnableFrom(options, dependencies);
    const nowMs = clock.monotonicMs();
    wellSinceMs = acting === undefined ? undefined : (wellSinceMs ?? nowMs);
    const isSettled =
      wellSinceMs !== undefined && nowMs - wellSinceMs >= directory.vpn.lifetimes.settleMs;
    let waitMs = lookEveryMs;
    if (acting !== undefined && isSettled) {
      await askBack(options, acting, dependencies, signal).catch((error: unknown) => {
        if (signal.aborted) return;
        log.info({ subset: options.subset, acting, error }, 'a subset was not given back yet');
        waitMs = askAgainMs;
      });
    }
    await clock.sleep(waitMs, signal).catch(() => undefined);
  }
}

/** Asks the acting master for the subset now. @throws ApiError, ClientError when it does not give it */
export async function askBack(
  { subset, master }: ReturnOptions,
  acting: MasterName,
  { links, log }: Pick<ReturnDependencies, 'links' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  log.info({ subset, acting, master }, 'asking for the subset, to act for it at home again');
  await links.handOver(subset, 'returned', acting, signal);
}

/** The master to ask; undefined while the conditions do not hold. */
function returnableFrom(
  { subset, master }: ReturnOptions,
  { follower, directory, isAlive }: ReturnDependencies,
): MasterName | undefined {
  const holder = follower.lease?.held?.master;
  if (directory.homeOf(subset) !== master || directory.drains.has(master)) return undefined;
  if (!follower.isLive || holder === undefined || holder === master) return undefined;
  return isAlive(holder) ? holder : undefined;
}
