import type { MasterName } from '../../model/names.ts';
import type { SharedKeyRecord } from '../../model/records/directory.ts';
import { isInRoll } from '../../model/records/roll.ts';
import { isAbort } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { Log } from '../../runtime/log.ts';
import type { Store } from '../../store/store.ts';
import type { SealingKey } from '../../trust/sealing.ts';
import { createGroupKey } from '../../trust/wireguard-keys.ts';
import type { Directory } from '../directory/directory.ts';
import type { ActingSubset } from '../subset/acting-subset.ts';
import { lacksDeparted, mergeDeparted, planSharedKey, type SharedKey } from './shared-key.ts';

export interface SharedKeysOptions {
  readonly master: MasterName;
  readonly sealingKey: SealingKey;
}

export interface SharedKeysDependencies {
  readonly directory: Directory;
  readonly subsets: { acting(): readonly ActingSubset[] };
  /** The directory's. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** Nobody tells when a store is back, or a subset can be written to again. */
const lookEveryMs = 5_000;

/**
 * Gives the subsets that this master acts for the key that the directory has for all of them, and the
 * directory the key of whichever has a newer one: after a member has left a subset its own master has
 * made that, and it is everybody's next.
 */
export class SharedKeys {
  readonly #actor: string;
  readonly #sealingKey: SealingKey;
  readonly #dependencies: SharedKeysDependencies;
  /** Of each subset that has had the key of all: the revision of the keying in which it was seen with it last. */
  readonly #together = new WeakMap<ActingSubset, number>();
  readonly #loop = new LatestLoop(() => this.#reconcile());

  constructor(options: SharedKeysOptions, dependencies: SharedKeysDependencies) {
    this.#actor = `master:${options.master}`;
    this.#sealingKey = options.sealingKey;
    this.#dependencies = dependencies;
  }

  /** The directory, or the key of a subset, has changed. Never rejects. */
  async reconcile(): Promise<void> {
    try {
      await this.#loop.request();
    } catch (error) {
      if (isAbort(error)) return;
      this.#dependencies.log.warn(
        { error },
        'could not bring the subsets to one key; trying again',
      );
    }
  }

  /** Looks until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.reconcile();
      await this.#dependencies.clock.sleep(lookEveryMs, signal).catch(() => undefined);
    }
  }

  async #reconcile(): Promise<void> {
    const { directory, subsets } = this.#dependencies;
    const isShared = directory.keyingPhase !== 'per-subset';
    const failures: unknown[] = [];
    // A subset whose store is out of reach keeps no other from the key.
    for (const subset of subsets.acting()) {
      await (isShared ? this.#bringTogether(subset) : this.#part(subset)).catch((error: unknown) =>
        failures.push(error),
      );
    }
    if (failures.length > 0) throw failures[0];
  }

  async #bringTogether(subset: ActingSubset): Promise<void> {
    const { sharedKey } = this.#dependencies.directory;
    const { key } = subset.state;
    if (!sharedKey) await this.#publishNew(subset, key.epoch);
    else if (key.epoch < sharedKey.epoch) await this.#adopt(subset, sharedKey);
    else if (key.epoch > sharedKey.epoch) await this.#publishNewer(subset);
    else if (key.groupKey !== sharedKey.groupKey) await this.#publishNew(subset, key.epoch);
    else this.#together.set(subset, this.#keyingRevision);
  }

  get #keyingRevision(): number {
    return this.#dependencies.directory.keying?.revision ?? 0;
  }

  /** After whoever has left this subset was told of: the key of all may be past the one that was made without them. */
  async #adopt(subset: ActingSubset, sharedKey: SharedKey): Promise<void> {
    const nowMs = this.#dependencies.clock.nowMs();
    const isUntold = lacksDeparted(sharedKey.departed, departedFrom(subset), nowMs);
    if (isUntold && !(await this.#publish(subset, sharedKey))) return;
    await subset.departures.adopt(sharedKey, this.#actor);
  }

  /** The key that others have as well is nobody's own. */
  async #part({ state, departures }: ActingSubset): Promise<void> {
    const { sharedKey } = this.#dependencies.directory;
    if (state.key.groupKey === sharedKey?.groupKey) await departures.rotate(this.#actor);
  }

  /**
   * What a subset has made after it had the key of all is everybody's next, for somebody may have left
   * it; any other stays its own. Where this master has not seen the subset with the key of all, as after
   * a restart, a third one costs the subset one change of keys more.
   */
  #publishNewer(subset: ActingSubset): Promise<boolean> {
    const { key } = subset.state;
    const wasTogether = this.#together.get(subset) === this.#keyingRevision;
    return wasTogether ? this.#publish(subset, key) : this.#publishNew(subset, key.epoch);
  }

  /** Two subsets of one epoch have come by a key of their own: both take a third. */
  #publishNew(subset: ActingSubset, epoch: number): Promise<boolean> {
    const createdAtMs = this.#dependencies.clock.nowMs();
    return this.#publish(subset, { epoch: epoch + 1, groupKey: createGroupKey(), createdAtMs });
  }

  /** Whoever is first is followed: the watch brings what came of it. @returns whether it was this master */
  async #publish(
    subset: ActingSubset,
    { epoch, groupKey, createdAtMs }: Pick<SharedKey, 'epoch' | 'groupKey' | 'createdAtMs'>,
  ): Promise<boolean> {
    const { directory, store, clock } = this.#dependencies;
    const before = directory.sharedKey;
    const departed = mergeDeparted([before?.departed ?? [], departedFrom(subset)], clock.nowMs());
    const next = { epoch, groupKey, createdAtMs, departed };
    const { succeeded } = await store.transact(planSharedKey(next, before, this.#sealingKey));
    return succeeded;
  }
}

function departedFrom({ state }: ActingSubset): SharedKeyRecord['departed'] {
  return [...state.roll.members()].flatMap((member) =>
    isInRoll(member) || member.endedAtMs === undefined
      ? []
      : [{ key: member.keys.acting, atMs: member.endedAtMs }],
  );
}
