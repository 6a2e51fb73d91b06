import type { RemovalProgress } from '../../../api/endpoints.ts';
import type { MemberName } from '../../../model/names.ts';
import type { Epoch } from '../../../model/wireguard-key.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { Deadline } from '../../../runtime/deadline.ts';
import type { GatewayKeeper } from '../../gateway/gateway-keeper.ts';
import type { SessionHub } from '../../session/session-hub.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';
import type { Departure } from '../../subset/departures.ts';
import type { SubsetState } from '../../subset/subset-state.ts';

export interface RemovalHandlerDependencies {
  readonly hub: SessionHub;
  readonly gateway: GatewayKeeper;
  readonly clock: Clock;
}

export interface RemovalRequest {
  readonly name: MemberName;
  readonly kind: 'evict' | 'ban';
  readonly waitMs: number;
  /** As the audit log names who asked. */
  readonly actor: string;
}

interface Acknowledgement {
  readonly member: MemberName;
  readonly afterMs: number;
}

interface Removal {
  readonly departure: Departure;
  readonly queue: AcknowledgementQueue;
  readonly elapsedMs: () => number;
  /** When to stop waiting. */
  readonly deadline: Deadline;
  readonly stopListening: () => void;
}

/** How many of those who have not applied a removal are named. */
const maxNamed = 1_000;

/** Removes a member and tells, as it happens, who has applied it. */
export class RemovalHandler {
  readonly #dependencies: RemovalHandlerDependencies;

  constructor(dependencies: RemovalHandlerDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Resolves when the removal is durable; the stream that it resolves to then tells the rest.
   * @throws MasterError `no-such-member`, `not-active`, `not-acting`; nothing has been removed then
   */
  async remove(
    subset: ActingSubset,
    request: RemovalRequest,
    signal: AbortSignal,
  ): Promise<AsyncGenerator<RemovalProgress>> {
    const { clock, hub } = this.#dependencies;
    const startMs = clock.monotonicMs();
    const elapsedMs = (): number => Math.round((clock.monotonicMs() - startMs) * 10) / 10;
    const queue = new AcknowledgementQueue(elapsedMs);
    // Listening begins before the removal, so that the quickest member is not missed.
    const stopListening = hub.onAcknowledged(subset.state.subset, (member, epoch) =>
      queue.add(member, epoch),
    );
    try {
      const state = request.kind === 'ban' ? 'banned' : 'evicted';
      const departure = await subset.departures.remove(request.name, state, request.actor);
      const deadline = new Deadline(request.waitMs, signal);
      return this.#follow(subset, { departure, queue, elapsedMs, deadline, stopListening });
    } catch (error) {
      stopListening();
      throw error;
    }
  }

  async *#follow(subset: ActingSubset, removal: Removal): AsyncGenerator<RemovalProgress> {
    const { departure, queue, elapsedMs, deadline } = removal;
    const { member, key } = departure;
    try {
      const pending = new PendingMembers(subset.state);
      const tunnelIsDown = await this.#dependencies.gateway.refresh();
      yield {
        type: 'removed',
        member: member.name,
        tunnelIsDown,
        revision: key.revision,
        epoch: key.epoch,
        afterMs: elapsedMs(),
        members: pending.size,
        connected: this.#dependencies.hub.count(subset.state.subset),
        alsoIn: member.alsoIn,
      };
      let acknowledged = 0;
      for await (const acknowledgement of queue.take(key.epoch, pending, deadline.signal)) {
        acknowledged += 1;
        yield { type: 'acknowledged', ...acknowledgement };
      }
      pending.forgetDeparted();
      yield this.#finish(subset, pending, acknowledged, elapsedMs());
    } finally {
      deadline[Symbol.dispose]();
      removal.stopListening();
    }
  }

  #finish(
    subset: ActingSubset,
    pending: PendingMembers,
    acknowledged: number,
    afterMs: number,
  ): RemovalProgress {
    const { hub } = this.#dependencies;
    const named = pending.first(maxNamed);
    return {
      type: 'finished',
      acknowledged,
      pending: named.map((member) => ({
        member,
        connected: hub.find(subset.state.subset, member) !== undefined,
      })),
      pendingTotal: pending.size,
      afterMs,
    };
  }
}

/** Who has yet to apply a removal. Members that depart meanwhile never will, and are not waited for. */
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

  /** Takes who has applied the key out of `pending`; ends when it is empty or the deadline is over. */
  async *take(
    epoch: Epoch,
    pending: PendingMembers,
    deadline: AbortSignal,
  ): AsyncGenerator<Acknowledgement> {
    deadline.addEventListener('abort', () => this.#wake(), { once: true });
    while (pending.size > 0) {
      for (const { member, afterMs, epoch: applied } of this.#queue.splice(0)) {
        if (applied >= epoch && pending.delete(member)) yield { member, afterMs };
      }
      pending.forgetDeparted();
      if (deadline.aborted || pending.size === 0) return;
      if (this.#queue.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
