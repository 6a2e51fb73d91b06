import { absentMs, type KeyProgress, type PendingMember } from '../../../api/key-progress.ts';
import type { MemberName } from '../../../model/names.ts';
import type { Epoch } from '../../../model/wireguard-key.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { Deadline } from '../../../runtime/deadline.ts';
import type { StoredGroupKey } from '../../group-key-store.ts';
import type { SessionHub } from '../../session/session-hub.ts';
import type { SubsetState } from '../../subset/subset-state.ts';

export interface KeyChangeDependencies {
  readonly hub: SessionHub;
  readonly clock: Clock;
}

/** A change of a subset that makes a new key. */
export interface KeyChange<Step extends object> {
  /** Resolves when it is durable. */
  readonly make: () => Promise<MadeKey<Step>>;
  /** How long to wait, at most, for acknowledgements after that; nobody waits for those who are away. */
  readonly waitMs: number;
}

export interface MadeKey<Step extends object> {
  readonly key: StoredGroupKey;
  /** What the first line says beside the key; resolves when the master itself has done its part. */
  readonly describe: () => Promise<Step>;
}

/** Of the first line. */
export type NewKey = Pick<StoredGroupKey, 'revision' | 'epoch'> & {
  readonly afterMs: number;
  readonly members: number;
  readonly connected: number;
};

interface Following<Step extends object> {
  readonly made: MadeKey<Step>;
  readonly queue: AcknowledgementQueue;
  readonly elapsedMs: () => number;
  /** When to stop waiting. */
  readonly deadline: Deadline;
  readonly stopListening: () => void;
}

interface Acknowledgement {
  readonly member: MemberName;
  readonly afterMs: number;
}

/** How many of those who have not applied a key are named. */
const maxNamed = 1_000;
const lookEveryMs = 500;

/** Makes a subset's next key and tells, as it happens, who has applied it. */
export class KeyChangeStream {
  readonly #dependencies: KeyChangeDependencies;

  constructor(dependencies: KeyChangeDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Resolves when the change is durable; the stream that it resolves to then tells the rest.
   * @throws what `make` throws; nothing has been changed then
   */
  async begin<Step extends object>(
    state: SubsetState,
    change: KeyChange<Step>,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<(Step & NewKey) | KeyProgress>> {
    const { clock, hub } = this.#dependencies;
    const startMs = clock.monotonicMs();
    const elapsedMs = (): number => Math.round((clock.monotonicMs() - startMs) * 10) / 10;
    const queue = new AcknowledgementQueue(elapsedMs);
    // Listening begins before the change, so that the quickest member is not missed.
    const stopListening = hub.onAcknowledged(state.subset, (member, epoch) =>
      queue.add(member, epoch),
    );
    try {
      const made = await change.make();
      // A stream for nobody is never begun, so it does not end either.
      if (signal.aborted) stopListening();
      const deadline = new Deadline(change.waitMs, signal);
      return this.#follow(state, { made, queue, elapsedMs, deadline, stopListening });
    } catch (error) {
      stopListening();
      throw error;
    }
  }

  async *#follow<Step extends object>(
    state: SubsetState,
    { made, queue, elapsedMs, deadline, stopListening }: Following<Step>,
  ): AsyncGenerator<(Step & NewKey) | KeyProgress> {
    const { revision, epoch } = made.key;
    const { hub } = this.#dependencies;
    const told = new AbortController();
    try {
      const pending = new PendingMembers(state);
      const step = await made.describe();
      yield {
        ...step,
        revision,
        epoch,
        afterMs: elapsedMs(),
        members: pending.size,
        connected: hub.count(state.subset),
      };
      const signal = AbortSignal.any([deadline.signal, told.signal]);
      void this.#untilAbsent(state, pending, signal).then(() => told.abort());
      let acknowledged = 0;
      for await (const acknowledgement of queue.take(epoch, pending, signal)) {
        acknowledged += 1;
        yield { type: 'acknowledged', ...acknowledgement };
      }
      pending.forgetDeparted();
      yield {
        type: 'finished',
        acknowledged,
        pending: describePending(state, pending.first(maxNamed), hub),
        pendingTotal: pending.size,
        afterMs: elapsedMs(),
      };
    } finally {
      told.abort();
      deadline[Symbol.dispose]();
      stopListening();
    }
  }

  /** Resolves when none of those who are missing has been connected, or confirmed it, for a while; or by the signal. */
  async #untilAbsent(
    { subset }: SubsetState,
    pending: PendingMembers,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, hub } = this.#dependencies;
    let seenMs = clock.monotonicMs();
    let { size } = pending;
    while (!signal.aborted && clock.monotonicMs() - seenMs < absentMs) {
      await clock.sleep(lookEveryMs, signal).catch(() => undefined);
      const isFewer = pending.size < size;
      if (isFewer || pending.some((name) => hub.find(subset, name))) seenMs = clock.monotonicMs();
      ({ size } = pending);
    }
  }
}

/** Those who have not applied a key, and who of them has a session here. */
export function describePending(
  { subset }: Pick<SubsetState, 'subset'>,
  names: readonly MemberName[],
  hub: Pick<SessionHub, 'find'>,
): PendingMember[] {
  return names.map((member) => ({ member, connected: hub.find(subset, member) !== undefined }));
}

/** Who has yet to apply a key. Members that depart meanwhile never will, and are not waited for. */
class PendingMembers {
  readonly #state: SubsetState;
  readonly #names: Set<MemberName>;
  /** Every departure makes a key, so that there is nothing to look for while this one lasts. */
  #seenEpoch: number;

  constructor(state: SubsetState) {
    this.#state = state;
    this.#seenEpoch = state.key.epoch;
    this.#names = new Set([...state.roll.activeMembers()].map(({ name }) => name));
  }

  get size(): number {
    return this.#names.size;
  }

  /** @returns whether it was pending */
  delete(name: MemberName): boolean {
    return this.#names.delete(name);
  }

  forgetDeparted(): void {
    const { roll, key } = this.#state;
    if (key.epoch === this.#seenEpoch) return;
    this.#seenEpoch = key.epoch;
    for (const name of this.#names) if (!roll.findActive(name)) this.#names.delete(name);
  }

  some(isSuch: (name: MemberName) => unknown): boolean {
    for (const name of this.#names) if (isSuch(name)) return true;
    return false;
  }

  first(count: number): readonly MemberName[] {
    return [...this.#names].slice(0, count);
  }
}

/** Acknowledgements in the order in which they came, until everybody has given one. */
class AcknowledgementQueue {
  readonly #elapsedMs: () => number;
  readonly #queue: {
    readonly member: MemberName;
    readonly epoch: Epoch;
    readonly afterMs: number;
  }[] = [];
  #wake: () => void = () => undefined;

  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  add(member: MemberName, epoch: Epoch): void {
    this.#queue.push({ member, epoch, afterMs: this.#elapsedMs() });
    this.#wake();
  }

  /** Takes who has applied the key out of `pending`; ends when it is empty, or by the signal. */
  async *take(
    epoch: Epoch,
    pending: PendingMembers,
    signal: AbortSignal,
  ): AsyncGenerator<Acknowledgement> {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    while (pending.size > 0) {
      for (const { member, afterMs, epoch: applied } of this.#queue.splice(0)) {
        if (applied >= epoch && pending.delete(member)) yield { member, afterMs };
      }
      pending.forgetDeparted();
      if (signal.aborted || pending.size === 0) return;
      if (this.#queue.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
