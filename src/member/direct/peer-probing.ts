import { askEveryTicks, countUnanswered, isDead, probeBytes } from '../../core/direct-liveness.ts';
import type { Clock } from '../../runtime/clock.ts';

export interface PeerProbingDependencies {
  readonly clock: Clock;
  /** @returns what the answer will repeat */
  readonly ask: () => number;
}

/** The asks and answers of one direct path: when the next is due, and what they say of it. */
export class PeerProbing {
  readonly #dependencies: PeerProbingDependencies;
  #ticksToAsk = 0;
  #unansweredTicks = 0;
  #isAnswered = false;
  #lastAsk: { readonly sequence: number; readonly atMs: number } | undefined;
  #roundTripMs: number | undefined;
  #count = 0;

  constructor(dependencies: PeerProbingDependencies) {
    this.#dependencies = dependencies;
  }

  get isDead(): boolean {
    return isDead(this.#unansweredTicks);
  }

  /** Of the last ask, once it is answered. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** How much of WireGuard's counters, since the peer was put in, is probes. */
  get bytes(): number {
    return this.#count * probeBytes;
  }

  /** The peer is put in. */
  begin(): void {
    this.#count = 0;
    this.#roundTripMs = undefined;
  }

  /** Nothing that was asked before is held against the path any more. */
  forgive(): void {
    this.#unansweredTicks = 0;
  }

  /** The other end hears with the next tick what is new here. */
  hasten(): void {
    this.#ticksToAsk = 0;
  }

  /** @param mayAsk whether a packet can be sent to the other end at all */
  tick(mayAsk: boolean): void {
    const asked = mayAsk && this.#maybeAsk();
    const answered = this.#isAnswered;
    this.#isAnswered = false;
    this.#unansweredTicks = countUnanswered(this.#unansweredTicks, { asked, answered });
  }

  /** The other end has asked, and is answered. */
  onAsk(): void {
    this.#count += 2;
  }

  onAnswer(sequence: number): void {
    this.#count += 1;
    this.#isAnswered = true;
    if (sequence !== this.#lastAsk?.sequence) return;
    this.#roundTripMs = this.#dependencies.clock.monotonicMs() - this.#lastAsk.atMs;
  }

  #maybeAsk(): boolean {
    this.#ticksToAsk -= 1;
    if (this.#ticksToAsk > 0) return false;
    const { clock, ask } = this.#dependencies;
    this.#lastAsk = { sequence: ask(), atMs: clock.monotonicMs() };
    this.#count += 1;
    this.#ticksToAsk = askEveryTicks;
    return true;
  }
}
