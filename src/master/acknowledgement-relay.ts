import { acknowledgeForBackup } from '../api/failover-endpoints.ts';
import type { MemberName, SubsetName } from '../model/names.ts';
import type { Epoch } from '../model/wireguard-key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { MasterLinks } from './master-links.ts';
import type { SubsetKeeper } from './subset/subset-keeper.ts';

export interface AcknowledgementRelayDependencies {
  readonly subsets: SubsetKeeper;
  readonly links: MasterLinks;
  readonly clock: Clock;
  readonly log: Log;
  /** This master acts for the subset by now. */
  readonly acknowledged: (subset: SubsetName, member: MemberName, epoch: Epoch) => void;
  readonly onPassedOn: (kind: string, outcome: 'done' | 'failed') => void;
  /** Nothing is passed on once it is aborted. */
  readonly signal: AbortSignal;
}

/** A removal is told soon enough, and ten thousand members make ten requests of it. */
const gatherMs = 50;
const retryMs = 500;
/** As the endpoint allows. */
const batchSize = 1_000;

type Acknowledgements = Map<MemberName, Epoch>;

/**
 * Passes on to a subset's acting master what members with sessions here have applied. Only the
 * newest of each member is kept, until the acting master has it.
 */
export class AcknowledgementRelay {
  readonly #dependencies: AcknowledgementRelayDependencies;
  readonly #waiting = new Map<SubsetName, Acknowledgements>();
  /** What is being sent of each subset; after `forget` another one may wait beside it. */
  readonly #sending = new Map<SubsetName, Acknowledgements>();

  constructor(dependencies: AcknowledgementRelayDependencies) {
    this.#dependencies = dependencies;
  }

  add(subset: SubsetName, member: MemberName, epoch: Epoch): void {
    const waiting = this.#waiting.get(subset) ?? new Map<MemberName, Epoch>();
    this.#waiting.set(subset, waiting);
    waiting.set(member, Math.max(epoch, waiting.get(member) ?? 0));
    if (this.#sending.get(subset) === waiting) return;
    this.#sending.set(subset, waiting);
    void this.#send(subset, waiting).finally(() => {
      if (this.#sending.get(subset) === waiting) this.#sending.delete(subset);
    });
  }

  /** The subset is served no more. */
  forget(subset: SubsetName): void {
    this.#waiting.get(subset)?.clear();
    this.#waiting.delete(subset);
  }

  async #send(subset: SubsetName, waiting: Acknowledgements): Promise<void> {
    const { clock, log, signal } = this.#dependencies;
    await clock.sleep(gatherMs, signal).catch(() => undefined);
    while (waiting.size > 0 && !signal.aborted) {
      const batch = [...waiting].slice(0, batchSize);
      try {
        await this.#deliver(subset, batch);
        for (const [name, epoch] of batch) if (waiting.get(name) === epoch) waiting.delete(name);
      } catch (error) {
        if (signal.aborted) return;
        log.debug({ subset, error }, 'could not pass acknowledgements on; trying again');
        await clock.sleep(retryMs, signal).catch(() => undefined);
      }
    }
  }

  async #deliver(
    subset: SubsetName,
    batch: readonly (readonly [MemberName, Epoch])[],
  ): Promise<void> {
    const { subsets, links, acknowledged, onPassedOn, signal } = this.#dependencies;
    if (subsets.find(subset)) {
      for (const [name, epoch] of batch) acknowledged(subset, name, epoch);
      return;
    }
    const master = subsets.otherActing(subset);
    if (!master) throw new Error(`nobody acts for ${subset} now`);
    const members = batch.map(([name, epoch]) => ({ name, epoch }));
    try {
      const input = { params: { subset }, body: { members } };
      await links.call(acknowledgeForBackup, input, { master, signal });
      onPassedOn('acknowledgements', 'done');
    } catch (error) {
      onPassedOn('acknowledgements', 'failed');
      throw error;
    }
  }
}
