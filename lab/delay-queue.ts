import type { LinkShape } from './topology.ts';

/** What a delaying link does; its rate is limited elsewhere, by the kernel. */
export type DelayShape = Pick<LinkShape, 'delayMs' | 'jitterMs' | 'lossPercent'>;

/** Beyond this many packets the newest are dropped: 100 ms of 2.4 Gbit/s. */
const mostPackets = 20_000;

interface Waiting {
  readonly packet: Uint8Array;
  readonly dueMs: number;
}

/**
 * The packets under way in one direction of a link. They leave in the order in which they came,
 * whatever the jitter, because a path seldom reorders within a flow.
 */
export class DelayQueue {
  readonly #random: () => number;
  #shape: DelayShape = {};
  #waiting: Waiting[] = [];
  /** Index of the oldest; what is before it has left. Saves shifting a long array for each packet. */
  #first = 0;
  #lastDueMs = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** For packets that come from now on. */
  reshape(shape: DelayShape): void {
    this.#shape = shape;
  }

  push(packet: Uint8Array, nowMs: number): void {
    const { delayMs = 0, jitterMs = 0, lossPercent = 0 } = this.#shape;
    if (lossPercent > 0 && this.#random() * 100 < lossPercent) return;
    if (this.#waiting.length - this.#first >= mostPackets) return;
    const wantedMs = nowMs + delayMs + (2 * this.#random() - 1) * jitterMs;
    this.#lastDueMs = Math.max(wantedMs, this.#lastDueMs);
    this.#waiting.push({ packet, dueMs: this.#lastDueMs });
  }

  /** When the oldest packet leaves; undefined when there is none. */
  nextDueMs(): number | undefined {
    return this.#waiting[this.#first]?.dueMs;
  }

  /** The oldest packet, if it is due. */
  takeDue(nowMs: number): Uint8Array | undefined {
    const oldest = this.#waiting[this.#first];
    if (!oldest || oldest.dueMs > nowMs) return undefined;
    this.#first += 1;
    if (this.#first > 1_000 || this.#first === this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    return oldest.packet;
  }
}
