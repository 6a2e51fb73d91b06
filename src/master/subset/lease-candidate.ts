import { preferenceOrder } from '../../core/master-preference.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { ActingLease } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import type { Directory } from '../directory/directory.ts';
import type { RollFollower, SeenLease } from './roll-follower.ts';

/** Each candidate leaves the free lease to those before it for so long: a lease is taken in 50 ms. */
const turnMs = 400;
/** A subset that nobody has ever acted for is probably being started together with its home master. */
const firstStartMs = 5_000;

const lookAgainMs = 1_000;

/** A moment at which this master is to take a subset's lease. */
export interface Opportunity {
  /** Of the lease key; 0 when nobody has it. */
  readonly seenRevision: number;
  /** When the holder before gave it. */
  readonly offered?: ActingLease['offered'];
  /** Wall clock: when the lease was seen to be free, or this master's. */
  readonly noticedAtMs: number;
}

export interface CandidateOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
}

export interface CandidateDependencies {
  readonly follower: Pick<RollFollower, 'lease' | 'changed'>;
  readonly directory: Pick<Directory, 'servingMasters'> & {
    readonly actings: { has(subset: SubsetName): boolean };
  };
  readonly clock: Pick<Clock, 'monotonicMs'>;
}

/**
 * Waits until the lease is this master's to take: it was offered, it is its own from before a
 * restart, or it has been free for as long as all candidates before this one need.
 * @throws the signal's reason
 */
export async function awaitOpportunity(
  options: CandidateOptions,
  dependencies: CandidateDependencies,
  signal: AbortSignal,
): Promise<Opportunity> {
  const { follower } = dependencies;
  for (;;) {
    signal.throwIfAborted();
    const lease = follower.lease;
    const waitMs = lease ? remainingMs(lease, options, dependencies) : Number.POSITIVE_INFINITY;
    if (lease && waitMs <= 0) return opportunity(lease);
    // Also looked at anew when the directory may have changed the order, which it does not tell.
    using deadline = new Deadline(Math.min(waitMs, lookAgainMs), signal);
    await follower.changed(deadline.signal);
  }
}

function remainingMs(
  { held, sinceMonotonicMs }: SeenLease,
  { subset, master }: CandidateOptions,
  { directory, clock }: CandidateDependencies,
): number {
  const serving = directory.servingMasters(subset);
  const turn = serving ? preferenceOrder(serving, 0).indexOf(master) : -1;
  if (!serving || turn < 0) return Number.POSITIVE_INFINITY;
  if (held) return held.master === master ? 0 : Number.POSITIVE_INFINITY;
  const isFirstStart = !directory.actings.has(subset) && serving.home !== master;
  const delayMs = turn * turnMs + (isFirstStart ? firstStartMs : 0);
  return sinceMonotonicMs + delayMs - clock.monotonicMs();
}

function opportunity({ held, sinceMs }: SeenLease): Opportunity {
  return {
    seenRevision: held?.modRevision ?? 0,
    noticedAtMs: sinceMs,
    ...(held?.offered ? { offered: held.offered } : {}),
  };
}
