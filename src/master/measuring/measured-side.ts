import { randomBytes } from 'node:crypto';
import type { MasterMeasurement } from '../../api/measuring-messages.ts';
import { noReports, type ReportTrust } from '../../core/measuring/report-check.ts';

/** The latest are kept: what was longer ago than some minutes may be of another way. */
const mostRoundTrips = 8;
/** Of pings that are not answered: a member that answers none costs no memory. */
const mostPending = 8;

export interface MemberReport {
  readonly masters: readonly MasterMeasurement[];
  /** Monotonic: when it came. */
  readonly atMs: number;
}

/** What a session knows of its member's connections. */
export class MeasuredSide {
  /** The message with what the member is to measure; undefined before it, and of a member that measures nothing. */
  candidates: string | undefined;
  /** What it said last. */
  report: MemberReport | undefined;
  trust: ReportTrust = noReports;
  /** Whether the last report is being compared with fresh round trips. */
  isChecking = false;
  readonly #pending = new Map<string, number>();
  #roundTripsMs: readonly number[] = [];

  /** Of the session, as this master measured them; the newest last. */
  get roundTripsMs(): readonly number[] {
    return this.#roundTripsMs;
  }

  /** What a ping is to carry. It cannot be guessed, so that nobody answers before it has arrived. */
  begin(nowMs: number): Buffer {
    const nonce = randomBytes(8);
    this.#pending.set(nonce.toString('hex'), nowMs);
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > mostPending && oldest !== undefined) this.#pending.delete(oldest);
    return nonce;
  }

  /** A pong has come. @returns the round trip; undefined when it answers no ping of this side */
  finish(nonce: Buffer, nowMs: number): number | undefined {
    const key = nonce.toString('hex');
    const sentMs = this.#pending.get(key);
    if (sentMs === undefined) return undefined;
    this.#pending.delete(key);
    const roundTripMs = nowMs - sentMs;
    this.#roundTripsMs = [...this.#roundTripsMs, roundTripMs].slice(-mostRoundTrips);
    return roundTripMs;
  }
}
