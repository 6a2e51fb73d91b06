import type { MasterName, SubsetName } from '../../model/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../store/store.ts';
import type { Directory } from '../directory/directory.ts';
import { awaitOpportunity, type Opportunity } from './lease-candidate.ts';
import type { RollFollower } from './roll-follower.ts';
import { StepLog } from './step-log.ts';
import { type SubsetLease, type SubsetLeaseDependencies, takeSubsetLease } from './subset-lease.ts';

export interface TakeoverOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
}

export interface TakeoverDependencies extends Pick<SubsetLeaseDependencies, 'onRenewalFailed'> {
  /** The roll's. */
  readonly store: Store;
  /** Runs. */
  readonly follower: RollFollower;
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: Log;
}

/** A lease, and how it came to be this master's. */
export interface Takeover {
  readonly lease: SubsetLease;
  readonly opportunity: Opportunity;
  /** Whether the followed roll has everything up to the lease; else it has to be read. */
  readonly isComplete: boolean;
  /** Wall clock. */
  readonly takenAtMs: number;
}

/** Another candidate was quicker, or the store is away: the watch is about to tell. */
const retryMs = 200;
/** The own watch brings the own lease at once. */
const completeTimeoutMs = 1_500;

/** Waits for the lease, takes it, and completes the followed roll. @throws the signal's reason */
export async function takeOver(
  options: TakeoverOptions,
  dependencies: TakeoverDependencies,
  signal: AbortSignal,
): Promise<Takeover> {
  const { clock, follower } = dependencies;
  for (;;) {
    const opportunity = await awaitOpportunity(options, dependencies, signal);
    const lease = await takeLease(options, opportunity, dependencies, signal);
    if (lease) {
      const takenAtMs = clock.nowMs();
      const isComplete = await complete(options, { lease, follower }, dependencies, signal);
      return { lease, opportunity, isComplete, takenAtMs };
    }
    await clock.sleep(retryMs, signal);
  }
}

async function takeLease(
  options: TakeoverOptions,
  { seenRevision }: Opportunity,
  dependencies: TakeoverDependencies,
  signal: AbortSignal,
): Promise<SubsetLease | undefined> {
  const { subset } = options;
  const steps = new StepLog({ subset }, dependencies);
  try {
    const lease = await takeSubsetLease({ ...options, seenRevision }, dependencies, signal);
    if (lease) steps.done('holding the lease of the subset');
    return lease;
  } catch (error) {
    signal.throwIfAborted();
    dependencies.log.warn({ subset, error }, 'could not take the lease of a subset');
    return undefined;
  }
}

/** Everything up to the lease must be in the copy: from then on nobody else can write. */
async function complete(
  { subset }: TakeoverOptions,
  { lease, follower }: { readonly lease: SubsetLease; readonly follower: RollFollower },
  dependencies: TakeoverDependencies,
  signal: AbortSignal,
): Promise<boolean> {
  const steps = new StepLog({ subset }, dependencies);
  using deadline = new Deadline(completeTimeoutMs, AbortSignal.any([signal, lease.lost]));
  try {
    await follower.reach(lease.revision, deadline.signal);
    steps.done('the roll is complete');
    return true;
  } catch {
    // Too late, or over: whoever goes on with the lease looks at both.
    return false;
  }
}
