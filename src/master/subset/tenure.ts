import { describeError } from '../../model/error.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { ActingChange, SubsetRecord } from '../../model/records/directory.ts';
import type { ActingLease } from '../../model/records/roll.ts';
import { isAbort } from '../../runtime/abort.ts';
import { Deadline } from '../../runtime/deadline.ts';
import type { Store } from '../../store/store.ts';
import { StoreError } from '../../store/store-error.ts';
import type { Directory } from '../directory/directory.ts';
import { actingRecordOf, keepAnnounced } from './acting-announcer.ts';
import { ActingSubset, type ActingSubsetDependencies } from './acting-subset.ts';
import type { RollFollower } from './roll-follower.ts';
import { StepLog } from './step-log.ts';
import type { Takeover } from './takeover.ts';
import { planActingChange, readFailovers, recordActingChange } from './takeover-record.ts';

export interface TenureDependencies extends ActingSubsetDependencies {
  /** The roll's. */
  readonly store: Store;
  /** Stands still; whatever is made of its roll is given back to it. */
  readonly follower: RollFollower;
  readonly directory: Directory;
  /** The subset's record as the directory has it now. @throws MasterError `no-such-subset` */
  readonly record: () => SubsetRecord;
  /** This master begins or ends to act; resolves when it routes accordingly. */
  readonly onActingChanged: (subset: SubsetName) => Promise<unknown>;
  /** Told once for every change of the acting master that this master is the new one of. */
  readonly onTakeover: (subset: SubsetName, change: ActingChange) => void;
}

export interface TenureOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
  readonly takeover: Takeover;
}

/** Other masters are told who acts after so long, even when the own routes take longer. */
const routesTimeoutMs = 1_000;
const storeTimeoutMs = 10_000;
const retryMs = 200;

/**
 * The time for which this master holds the lease of a subset. A roll that may not agree with the
 * store is read anew under the same lease, so that a failed write does not change the master.
 */
export class Tenure {
  readonly #options: TenureOptions;
  readonly #dependencies: TenureDependencies;
  #acting: ActingSubset | undefined;
  /** Settles when no hand-over is under way. */
  #giving: Promise<unknown> = Promise.resolve();

  constructor(options: TenureOptions, dependencies: TenureDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** Undefined before its beginning is durable, after its end, and while the roll is read anew. */
  get acting(): ActingSubset | undefined {
    return this.#acting;
  }

  /**
   * Acts until the lease is over or the signal is aborted; gives the lease back in the end.
   * @throws MasterError, StoreError, InvalidInputError, TrustError when it cannot act
   */
  async run(signal: AbortSignal): Promise<void> {
    const { lease, isComplete } = this.#options.takeover;
    const stop = AbortSignal.any([signal, lease.lost]);
    try {
      for (let mustRead = !isComplete; !stop.aborted; mustRead = true) {
        const acting = await this.#open(mustRead, stop);
        if (acting) await this.#act(acting, stop);
        // Who is giving the lease away must not find its fence renewed.
        await this.#giving;
      }
    } finally {
      await lease.end();
      this.#leave();
    }
  }

  /** See `SubsetDuty.handOver`. */
  async handOver(
    to: MasterName,
    change: NonNullable<ActingLease['offered']>['change'],
  ): Promise<void> {
    const giving = this.#give(to, change);
    this.#giving = Promise.allSettled([this.#giving, giving]);
    await giving;
  }

  async #give(
    to: MasterName,
    change: NonNullable<ActingLease['offered']>['change'],
  ): Promise<void> {
    const { subset, master, takeover } = this.#options;
    const steps = new StepLog({ subset, to, change }, this.#dependencies);
    await this.#acting?.state.close();
    steps.done('what was under way is done; giving the subset away');
    await takeover.lease.offer(to, { from: master, change });
    steps.done('the subset is given away');
  }

  /** @returns undefined when the store was away; it is tried again as long as the lease lasts */
  async #open(mustRead: boolean, stop: AbortSignal): Promise<ActingSubset | undefined> {
    const { subset, takeover } = this.#options;
    const { follower, clock, log } = this.#dependencies;
    const steps = new StepLog({ subset }, this.#dependencies);
    try {
      if (mustRead) {
        // Else what the store has not answered yet could be applied after it was read.
        await takeover.lease.renewFence(stop);
        await follower.read(stop);
      }
      const acting = await this.#openLoaded();
      await this.#recordChange(acting);
      steps.done('the subset is open for changes');
      return acting;
    } catch (error) {
      if (stop.aborted) return undefined;
      const isAway = error instanceof StoreError && error.code === 'unavailable';
      if (!isAway && !isAbort(error)) throw error;
      log.warn({ subset, error }, 'the subset cannot be opened now; trying again');
      await clock.sleep(retryMs, stop).catch(() => undefined);
      return undefined;
    }
  }

  #openLoaded(): Promise<ActingSubset> {
    const { subset, master, takeover } = this.#options;
    const { follower, directory, record } = this.#dependencies;
    const loaded = follower.served;
    if (!loaded) throw new Error(`the roll of ${subset} was not read`);
    const { fence } = takeover.lease;
    const mustProve = () => directory.keyingPhase !== 'per-subset';
    const options = { loaded, master, vpn: directory.vpn, fence, record, mustProve };
    return ActingSubset.open(options, this.#dependencies);
  }

  /** Once: a roll that is read anew finds that this master was the last to begin. */
  async #recordChange({ state }: ActingSubset): Promise<void> {
    const { subset, master, takeover } = this.#options;
    const { store, clock, onTakeover } = this.#dependencies;
    using deadline = new Deadline(storeTimeoutMs);
    const [last] = await readFailovers(subset, 1, store, deadline.signal);
    const times = { takenAtMs: takeover.takenAtMs, actingAtMs: clock.nowMs() };
    const record = planActingChange({ subset, to: master }, takeover.opportunity, last, times);
    if (!record) return;
    await recordActingChange(state, record, master);
    onTakeover(subset, record.change);
  }

  /** Until the lease is over, or the roll cannot be trusted any more. */
  async #act(acting: ActingSubset, stop: AbortSignal): Promise<void> {
    const { follower, log } = this.#dependencies;
    const over = new AbortController();
    this.#acting = acting;
    const announcing = this.#announce(acting, AbortSignal.any([stop, over.signal]));
    try {
      await acting.run(stop);
    } catch (error) {
      const { subset } = this.#options;
      log.info({ subset, error }, 'reading the roll anew, under the same lease');
    } finally {
      // What it was stays in use until a newer one was read.
      follower.takeBack(acting.state);
      this.#acting = undefined;
      over.abort(new Error('the subset is not acted for now'));
      await announcing;
    }
  }

  /** The own routes first, so that whoever is told that this master acts finds it ready. */
  async #announce({ state }: ActingSubset, signal: AbortSignal): Promise<void> {
    const { subset, master, takeover } = this.#options;
    const { directory, clock, log, store, onActingChanged } = this.#dependencies;
    const steps = new StepLog({ subset }, this.#dependencies);
    directory.beginActing(subset, master);
    const enough = clock.sleep(routesTimeoutMs, signal).catch(() => undefined);
    await Promise.race([onActingChanged(subset), enough]);
    steps.done('routing as the acting master');
    log.info({ subset, epoch: state.key.epoch }, 'acting for the subset');
    const [last] = await readFailovers(subset, 1, store, signal).catch(() => []);
    const { change = 'started', takenAtMs: sinceMs = takeover.takenAtMs } = last ?? {};
    const { revision } = takeover.lease;
    const record = actingRecordOf({ subset, revision }, master, { change, sinceMs });
    await keepAnnounced(record, this.#dependencies, signal);
  }

  #leave(): void {
    const { subset, takeover } = this.#options;
    const { directory, log, onActingChanged } = this.#dependencies;
    directory.endActing(subset);
    const reason = describeError(takeover.lease.lost.reason);
    log.info({ subset, reason }, 'no longer acting for the subset');
    void onActingChanged(subset);
  }
}
