import type { MasterName } from '../../model/names.ts';

/** A change of one member's place, as far as its order matters. */
export interface Transfer {
  /** The master whose place becomes free; absent when none does. */
  readonly fromMaster?: MasterName | undefined;
  readonly master: MasterName;
  /** A member that has no place yet disturbs nobody by getting one. */
  readonly isJoin: boolean;
}

export interface BatchLimits {
  /** What every master acts for before the first batch. */
  readonly loads: ReadonlyMap<MasterName, number>;
  readonly capacities: ReadonlyMap<MasterName, number>;
  /** How many may move in one batch, joins not counted; at least 1. */
  readonly movesPerBatch: number;
}

export interface MoveBatches<T extends Transfer> {
  /** Those of one batch move together; after each, no master has more than its capacity or what it had before. */
  readonly batches: readonly (readonly T[])[];
  /** What no batch can have: a ring that is larger than one, or a place that never becomes free. */
  readonly postponed: readonly T[];
}

/** Puts transfers into batches, in the order given as far as there is room. */
export function planBatches<T extends Transfer>(
  transfers: readonly T[],
  limits: BatchLimits,
): MoveBatches<T> {
  const yard = new TransferYard(transfers, limits);
  const batches: T[][] = [];
  let room = 0;
  for (let step = yard.next(); step; step = yard.next()) {
    const moves = step.filter(({ isJoin }) => !isJoin).length;
    if (batches.length === 0 || moves > room) {
      batches.push([]);
      room = limits.movesPerBatch;
    }
    batches.at(-1)?.push(...step);
    room -= moves;
  }
  return { batches, postponed: yard.postponed };
}

/** A transfer that waits, by its place in the order. */
type Waiting = number;

/** Gives out what can go next: a transfer to where there is room, or a ring of them. */
class TransferYard<T extends Transfer> {
  readonly postponed: T[] = [];
  private readonly transfers: readonly T[];
  private readonly limits: BatchLimits;
  private readonly loads: Map<MasterName, number>;
  private readonly arrivals = new Map<MasterName, Queue>();
  private readonly departures = new Map<MasterName, Queue>();
  private readonly isDone: Uint8Array;
  /** All before it are done or have found no room. */
  private cursor = 0;
  /** Where a place has become free since. */
  private readonly reopened = new Set<MasterName>();

  constructor(transfers: readonly T[], limits: BatchLimits) {
    this.transfers = transfers;
    this.limits = limits;
    this.loads = new Map(limits.loads);
    this.isDone = new Uint8Array(transfers.length);
    transfers.forEach(({ fromMaster, master }, index) => {
      queueOf(this.arrivals, master).waiting.push(index);
      if (fromMaster !== undefined) queueOf(this.departures, fromMaster).waiting.push(index);
    });
  }

  /** Undefined when nothing is left. */
  next(): readonly T[] | undefined {
    for (;;) {
      const free = this.firstWithRoom();
      if (free !== undefined) return this.take([free]);
      const stuck = this.firstOf(this.arrivals.values());
      if (stuck === undefined) return undefined;
      const ring = this.ringFrom(stuck);
      const moves = ring.filter((index) => !this.transfers[index]?.isJoin).length;
      if (ring.length > 0 && moves <= this.limits.movesPerBatch) return this.take(ring);
      this.postpone(ring.length > 0 ? Math.max(...ring) : stuck);
    }
  }

  /** Those before the cursor wait for room, so only where some has come since are they looked at again. */
  private firstWithRoom(): Waiting | undefined {
    for (const master of this.reopened) if (!this.hasRoom(master)) this.reopened.delete(master);
    const again = this.firstOf(
      Array.from(this.reopened, (master) => queueOf(this.arrivals, master)),
    );
    if (again !== undefined && again < this.cursor) return again;
    for (; this.cursor < this.transfers.length; this.cursor += 1) {
      const transfer = this.transfers[this.cursor];
      const isWaiting = this.isDone[this.cursor] === 0;
      if (isWaiting && transfer && this.hasRoom(transfer.master)) return this.cursor;
    }
    return undefined;
  }

  private hasRoom(master: MasterName): boolean {
    return (this.loads.get(master) ?? 0) < (this.limits.capacities.get(master) ?? Infinity);
  }

  private firstOf(queues: Iterable<Queue>): Waiting | undefined {
    let first: Waiting | undefined;
    for (const queue of queues) {
      const head = this.headOf(queue);
      if (head !== undefined && (first === undefined || head < first)) first = head;
    }
    return first;
  }

  private headOf(queue: Queue): Waiting | undefined {
    while (this.isDone[queue.waiting[queue.head] ?? -1] === 1) queue.head += 1;
    return queue.waiting[queue.head];
  }

  /**
   * All destinations are full. Follows whoever leaves them, until a master comes again.
   * @returns empty when nobody leaves one of them
   */
  private ringFrom(start: Waiting): readonly Waiting[] {
    const chain: Waiting[] = [start];
    const seen: (MasterName | undefined)[] = [];
    for (;;) {
      const full = this.transfers[chain.at(-1) ?? start]?.master;
      const at = seen.indexOf(full);
      if (at >= 0) return chain.slice(at + 1);
      seen.push(full);
      const leaving = full === undefined ? undefined : this.departures.get(full);
      const next = leaving && this.headOf(leaving);
      if (next === undefined) return [];
      chain.push(next);
    }
  }

  private take(indexes: readonly Waiting[]): readonly T[] {
    return indexes.flatMap((index) => {
      const transfer = this.finish(index);
      if (!transfer) return [];
      this.changeLoad(transfer.master, 1);
      if (transfer.fromMaster !== undefined) {
        this.changeLoad(transfer.fromMaster, -1);
        this.reopened.add(transfer.fromMaster);
      }
      return [transfer];
    });
  }

  private postpone(index: Waiting): void {
    const transfer = this.finish(index);
    if (transfer) this.postponed.push(transfer);
  }

  private finish(index: Waiting): T | undefined {
    this.isDone[index] = 1;
    return this.transfers[index];
  }

  private changeLoad(master: MasterName, by: number): void {
    this.loads.set(master, (this.loads.get(master) ?? 0) + by);
  }
}

/** In the order of the transfers; those that are done are skipped. */
interface Queue {
  readonly waiting: Waiting[];
  head: number;
}

function queueOf(queues: Map<MasterName, Queue>, master: MasterName): Queue {
  const known = queues.get(master);
  if (known) return known;
  const created = { waiting: [], head: 0 };
  queues.set(master, created);
  return created;
}
