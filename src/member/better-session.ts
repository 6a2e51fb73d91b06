import type { MasterContact } from '../api/messages.ts';
import { describeError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';
import { Backoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { HeldSession } from './held-session.ts';
import type { Membership } from './membership.ts';

/** No master is worth a new session before it has been the better one for so long. */
const moveDelayMs = 1_000;
/** A session that its master has not refused in this time is one: a refusal comes after the answer to a ping. */
const trialMs = 1_000;
/** A master whose tunnel works and whose daemon does not is asked by each of its members every half minute or so. */
const moveBackoff = { minMs: 1_000, maxMs: 60_000 };

export interface BetterSessionDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
  /** Opens a session. @throws MemberError */
  readonly open: (master: MasterContact, signal: AbortSignal) => Promise<HeldSession>;
}

/**
 * Waits until there is a better master for a session than the current one, and opens a session with
 * it: the caller still has the old one then. Members move one by one, each after a random time.
 * @throws the signal's reason
 */
export async function openBetterSession(
  membership: Membership,
  current: MasterName,
  dependencies: BetterSessionDependencies,
  signal: AbortSignal,
): Promise<HeldSession> {
  const { clock, random } = dependencies;
  const backoff = new Backoff(moveBackoff, random);
  let pauseMs = 0;
  for (;;) {
    const better = membership.betterMaster(current);
    if (!better) {
      await membership.paths.nextChange(signal);
      continue;
    }
    const spreadMs = random() * membership.state.view.spreadMs;
    await clock.sleep(moveDelayMs + spreadMs + pauseMs, signal);
    if (membership.betterMaster(current)?.name !== better.name) continue;
    const session = await tryMaster(better, membership, dependencies, signal);
    if (session) return session;
    pauseMs = backoff.nextDelayMs();
  }
}

/** @returns undefined when the master does not take the member now */
async function tryMaster(
  master: MasterContact,
  { name: membership }: Membership,
  { clock, log, open }: BetterSessionDependencies,
  signal: AbortSignal,
): Promise<HeldSession | undefined> {
  let session: HeldSession | undefined;
  try {
    session = await open(master, signal);
    const proved = session.live.then(() => clock.sleep(trialMs, signal));
    // Also when it is over because the membership is: that is for the caller to see.
    await Promise.race([proved, session.done]);
    return session;
  } catch (error) {
    await session?.[Symbol.asyncDispose]();
    signal.throwIfAborted();
    const fields = { membership, master: master.name, reason: describeError(error) };
    log.debug(fields, 'stays with its master: the better one does not take it');
    return undefined;
  }
}
