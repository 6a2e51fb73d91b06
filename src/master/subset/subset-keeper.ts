import type { MasterName, SubsetName } from '../../model/names.ts';
import { runUntilAborted } from '../../runtime/abort.ts';
import type { Store } from '../../store/store.ts';
import { MasterError } from '../master-error.ts';
import type { ActingSubset } from './acting-subset.ts';
import type { RollFollower } from './roll-follower.ts';
import type { ServedSubset } from './served-subset.ts';
import { SubsetDuty, type SubsetDutyDependencies } from './subset-duty.ts';

export interface SubsetKeeperDependencies extends SubsetDutyDependencies {
  /** The subset is none of this master's any more. */
  readonly onServedNoMore: (subset: SubsetName) => void;
}

interface Running {
  readonly duty: SubsetDuty;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/** Runs the duties of the subsets that the directory has this master serve, and touches no other. */
export class SubsetKeeper {
  readonly #master: MasterName;
  readonly #dependencies: SubsetKeeperDependencies;
  readonly #running = new Map<SubsetName, Running>();
  #isStopping = false;

  constructor(options: { readonly master: MasterName }, dependencies: SubsetKeeperDependencies) {
    this.#master = options.master;
    this.#dependencies = dependencies;
  }

  /** Starts and stops what the directory now says. */
  reconcile(): void {
    if (this.#isStopping) return;
    const wanted = this.#dependencies.directory.servedBy(this.#master).map(({ name }) => name);
    for (const [subset, { stop }] of this.#running) {
      if (!wanted.includes(subset)) stop.abort(new Error('no longer ours'));
    }
    for (const subset of wanted) if (!this.#running.has(subset)) this.#start(subset);
  }

  /** The subset, while it is acted for here. */
  find(subset: SubsetName): ActingSubset | undefined {
    return this.#running.get(subset)?.duty.acting;
  }

  /** @throws MasterError `no-such-subset`; `not-acting`, which names the master to ask */
  require(subset: SubsetName): ActingSubset {
    const found = this.find(subset);
    if (found) return found;
    const acting = this.#dependencies.directory.actingNow(subset);
    if (!acting) throw noSuchSubset(subset);
    const mine = acting === this.#master;
    throw new MasterError(
      mine
        ? `${acting} is about to act for ${subset}: ask again`
        : `${subset} is governed by ${acting}: ask there`,
      { code: 'not-acting', fields: { subset, acting }, retryable: true },
    );
  }

  /** Who acts for a subset that this master does not act for; undefined while nobody does. */
  otherActing(subset: SubsetName): MasterName | undefined {
    const holder = this.#running.get(subset)?.duty.follower?.lease?.held?.master;
    const acting = holder ?? this.#dependencies.directory.actingNow(subset);
    return acting === this.#master ? undefined : acting;
  }

  acting(): readonly ActingSubset[] {
    return [...this.#running.values()].flatMap(({ duty }) => duty.acting ?? []);
  }

  /** Every subset that this master acts for or backs up, as soon as its roll was read. */
  serving(): readonly ServedSubset[] {
    return [...this.#running.values()].flatMap(({ duty }) => duty.served ?? []);
  }

  /** One of `serving`. */
  findServed(subset: SubsetName): ServedSubset | undefined {
    return this.#running.get(subset)?.duty.served;
  }

  /** @throws MasterError `no-such-subset`; `not-acting`, which names the master to ask */
  requireServed(subset: SubsetName): ServedSubset {
    return this.findServed(subset) ?? this.require(subset).state;
  }

  /** Where the roll of a served subset is. @throws MasterError as `require`, or when that store was not opened yet */
  requireStore(subset: SubsetName): Store {
    const { store } = this.duty(subset);
    if (store) return store;
    throw new MasterError(`the store of ${subset} was not opened yet: ask again`, {
      code: 'not-acting',
      fields: { subset },
      retryable: true,
    });
  }

  /** What this master does for the subset. @throws MasterError as `require` when it does not serve it */
  duty(subset: SubsetName): SubsetDuty {
    const running = this.#running.get(subset);
    if (running) return running.duty;
    this.require(subset);
    throw noSuchSubset(subset);
  }

  duties(): readonly SubsetDuty[] {
    return [...this.#running.values()].map(({ duty }) => duty);
  }

  /** The rolls that are followed now. */
  following(): ReadonlyMap<SubsetName, RollFollower> {
    return new Map(
      this.duties().flatMap(({ subset, follower }) => (follower ? [[subset, follower]] : [])),
    );
  }

  /** Gives everything to backups that are ready; what nobody takes is given back by `stop`. */
  async handOverAll(): Promise<void> {
    this.#isStopping = true;
    const { log } = this.#dependencies;
    await Promise.all(
      this.duties().map(async (duty) => {
        if (!duty.acting) return;
        await duty.handOverToBackup().catch((error: unknown) => {
          log.warn({ subset: duty.subset, error }, 'could not hand over a subset before stopping');
        });
      }),
    );
  }

  /** Ends everything, giving the leases back. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    for (const { stop } of this.#running.values()) stop.abort(new Error('the master stops'));
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  #start(subset: SubsetName): void {
    const { log, onServedNoMore } = this.#dependencies;
    const stop = new AbortController();
    const duty = new SubsetDuty({ subset, master: this.#master }, this.#dependencies);
    const done = runUntilAborted(
      (signal) => duty.run(signal),
      stop.signal,
      (error) => log.error({ subset, error }, 'a subset stopped'),
    ).finally(() => {
      this.#running.delete(subset);
      if (this.#isStopping) return;
      onServedNoMore(subset);
      // It may have been given back before it had come to its end.
      this.reconcile();
    });
    this.#running.set(subset, { duty, stop, done });
  }
}

function noSuchSubset(subset: SubsetName): MasterError {
  return new MasterError(`there is no subset ${subset}: "hanse subset list" shows them`, {
    code: 'no-such-subset',
    fields: { subset },
  });
}
