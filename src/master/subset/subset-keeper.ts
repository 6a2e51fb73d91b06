import type { MasterName, SubsetName } from '../../model/names.ts';
import type { SubsetRecord } from '../../model/records.ts';
import { runUntilAborted } from '../../runtime/abort.ts';
import { subsetKeyKey } from '../../store/keys.ts';
import type { Directory } from '../directory/directory.ts';
import { GroupKeyStore } from '../group-key-store.ts';
import { MasterError } from '../master-error.ts';
import { ActingSubset, type ActingSubsetDependencies } from './acting-subset.ts';
import { RollFollower, type RollFollowerEvents } from './roll-follower.ts';
import type { ServedSubset } from './served-subset.ts';
import { holdSubsetLease } from './subset-lease.ts';

export interface SubsetKeeperDependencies extends ActingSubsetDependencies {
  readonly directory: Directory;
  /** Called when the set of subsets that are acted for has changed. */
  readonly onActingChanged: (subset: SubsetName) => void;
  readonly followed: RollFollowerEvents;
  /** Store events that a watch of a roll delivered. */
  readonly onRollEvents: (subset: SubsetName, count: number) => void;
}

interface Running {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/**
 * Runs the subsets that the directory gives to this master: holds the lease and acts for those
 * that are its own, follows the rolls of those that it backs up, and touches no other.
 */
export class SubsetKeeper {
  readonly #master: MasterName;
  readonly #dependencies: SubsetKeeperDependencies;
  readonly #acting = new Map<SubsetName, ActingSubset>();
  readonly #following = new Map<SubsetName, RollFollower>();
  readonly #running = new Map<string, Running>();
  #stopping = false;

  constructor(options: { readonly master: MasterName }, dependencies: SubsetKeeperDependencies) {
    this.#master = options.master;
    this.#dependencies = dependencies;
  }

  /** Starts and stops what the directory now says. */
  reconcile(): void {
    const served = this.#dependencies.directory.servedBy(this.#master);
    const acting = served.filter((record) => record.acting === this.#master);
    const backup = served.filter((record) => record.acting !== this.#master);
    const wanted = new Map<string, () => (signal: AbortSignal) => Promise<void>>();
    for (const { name } of acting) {
      wanted.set(`acting ${name}`, () => (signal) => this.#act(name, signal));
    }
    for (const { name } of backup) {
      wanted.set(`backup ${name}`, () => (signal) => this.#standBy(name, signal));
    }
    for (const [id, { stop }] of this.#running)
      if (!wanted.has(id)) stop.abort(new Error('no longer ours'));
    for (const [id, task] of wanted) if (!this.#running.has(id)) this.#start(id, task());
  }

  /** The subset, while it is acted for here. */
  find(subset: SubsetName): ActingSubset | undefined {
    return this.#acting.get(subset);
  }

  /** @throws MasterError `no-such-subset`; `not-acting`, which names the master to ask */
  require(subset: SubsetName): ActingSubset {
    const found = this.#acting.get(subset);
    if (found) return found;
    const acting = this.#dependencies.directory.homeOf(subset);
    if (!acting) {
      throw new MasterError(`there is no subset ${subset}: "hanse subset list" shows them`, {
        code: 'no-such-subset',
        fields: { subset },
      });
    }
    const mine = acting === this.#master;
    throw new MasterError(
      mine
        ? `${acting} is about to act for ${subset}: ask again`
        : `${subset} is governed by ${acting}: ask there`,
      { code: 'not-acting', fields: { subset, acting }, retryable: true },
    );
  }

  acting(): readonly ActingSubset[] {
    return [...this.#acting.values()];
  }

  /** Every subset that this master acts for or backs up, as soon as its roll was read. */
  serving(): readonly ServedSubset[] {
    const followed = [...this.#following.values()].flatMap(({ served }) => served ?? []);
    return [...this.acting().map(({ state }) => state), ...followed];
  }

  /** The rolls that are followed for others. */
  following(): ReadonlyMap<SubsetName, RollFollower> {
    return this.#following;
  }

  /** Ends everything, giving the leases back. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { stop } of this.#running.values()) stop.abort(new Error('the master stops'));
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  #start(id: string, task: (signal: AbortSignal) => Promise<void>): void {
    const stop = new AbortController();
    const done = runUntilAborted(task, stop.signal, (error) =>
      this.#dependencies.log.error({ task: id, error }, 'a subset stopped'),
    ).finally(() => {
      this.#running.delete(id);
      // It may have been given back before it had come to its end.
      if (stop.signal.aborted && !this.#stopping) this.reconcile();
    });
    this.#running.set(id, { stop, done });
  }

  #act(subset: SubsetName, signal: AbortSignal): Promise<void> {
    return holdSubsetLease(
      { subset, master: this.#master },
      this.#dependencies,
      async ({ fence, lost }) => {
        const { directory } = this.#dependencies;
        const open = {
          subset,
          master: this.#master,
          vpn: directory.vpn,
          fence,
          record: () => this.#recordOf(subset),
        };
        const acting = await ActingSubset.open(open, this.#dependencies);
        this.#acting.set(subset, acting);
        this.#dependencies.log.info(
          { subset, epoch: acting.state.key.epoch },
          'acting for the subset',
        );
        this.#dependencies.onActingChanged(subset);
        try {
          await acting.run(lost);
        } finally {
          this.#acting.delete(subset);
          this.#dependencies.onActingChanged(subset);
        }
      },
      signal,
    );
  }

  async #standBy(subset: SubsetName, signal: AbortSignal): Promise<void> {
    const { sealingKey } = this.#dependencies;
    const keys = new GroupKeyStore({ keyOf: (epoch) => subsetKeyKey(subset, epoch), sealingKey });
    const events = this.#dependencies.followed;
    const follower = new RollFollower(subset, { ...this.#dependencies, keys, events });
    this.#following.set(subset, follower);
    try {
      await follower.run(signal);
    } finally {
      this.#following.delete(subset);
    }
  }

  #recordOf(subset: SubsetName): SubsetRecord {
    const known = this.#dependencies.directory.subsets.get(subset);
    if (known) return known.record;
    throw new MasterError(`${subset} is no longer in the directory`, {
      code: 'no-such-subset',
      fields: { subset },
    });
  }
}
