import type { CandidateMaster, MasterMeasurement } from '../../api/measuring-messages.ts';
import type { TransferCandidate } from '../../core/measuring/probe-schedule.ts';
import {
  addRound,
  noRoundTrips,
  type RoundTripSummary,
  type RoundTrips,
  summarise,
} from '../../core/measuring/round-trips.ts';
import { formatSocketAddress } from '../../model/endpoint.ts';
import type { SocketAddress } from '../../stun/mapped-address.ts';
import type { TransferResult } from './transfer.ts';

/** Samples in the order in which they were asked for; undefined for those that were lost. */
export interface ProbeRound {
  readonly samples: readonly (number | undefined)[];
  readonly seenAs?: SocketAddress;
  /** Why nothing could be asked at all. */
  readonly problem?: string;
}

/** As a week is the most that a report may say. */
const oldestAgeMs = 7 * 24 * 3_600_000;

/** What is known of one master. All times are monotonic. */
export class MeasuredMaster {
  readonly candidate: CandidateMaster;
  #trips: RoundTrips = noRoundTrips;
  #round: { readonly result: ProbeRound; readonly atMs: number } | undefined;
  #hops: { readonly count: number; readonly atMs: number } | undefined;
  #transfer: { readonly result: TransferResult; readonly atMs: number } | undefined;

  constructor(candidate: CandidateMaster) {
    this.candidate = candidate;
  }

  /** Of the last rounds; without latency when the last one was not answered at all. */
  get summary(): RoundTripSummary {
    const { latencyMs, jitterMs, ...counts } = summarise(this.#trips);
    if (!this.#isAnswered || latencyMs === undefined || jitterMs === undefined) return counts;
    return { ...counts, latencyMs, jitterMs };
  }

  get hops(): number | undefined {
    return this.#hops?.count;
  }

  /** Infinity for one that was never asked. */
  roundAgeMs(nowMs: number): number {
    return nowMs - (this.#round?.atMs ?? Number.NEGATIVE_INFINITY);
  }

  hopsAgeMs(nowMs: number): number {
    return nowMs - (this.#hops?.atMs ?? Number.NEGATIVE_INFINITY);
  }

  noteRound(result: ProbeRound, nowMs: number): void {
    this.#trips = addRound(this.#trips, result.samples);
    this.#round = { result, atMs: nowMs };
  }

  noteHops(count: number, nowMs: number): void {
    this.#hops = { count, atMs: nowMs };
  }

  noteTransfer(result: TransferResult, nowMs: number): void {
    this.#transfer = { result, atMs: nowMs };
  }

  /** For the choice of whose bandwidth to measure. */
  transferFacts(nowMs: number): TransferCandidate {
    const { latencyMs } = this.summary;
    const transfer = this.#transfer;
    return {
      ...{ name: this.candidate.name, latencyMs },
      hasFailed: transfer?.result.control === 'fails',
      triedAgoMs: transfer && nowMs - transfer.atMs,
    };
  }

  /** As a master is told. */
  report(nowMs: number): MasterMeasurement {
    const { seenAs } = this.#round?.result ?? {};
    return {
      ...{ name: this.candidate.name, stun: this.#stunState(), ...this.summary },
      ...(this.#round ? { ageMs: this.#ageOf(this.#round, nowMs) } : {}),
      ...(this.#hops ? { hops: this.#hops.count } : {}),
      ...(seenAs ? { seenAs: formatSocketAddress(seenAs.address, seenAs.port) } : {}),
      ...this.#transferReport(nowMs),
    };
  }

  /** Why something could not be measured, for people. */
  get problem(): string | undefined {
    return this.#round?.result.problem ?? this.#transfer?.result.problem;
  }

  get #isAnswered(): boolean {
    return this.#round?.result.samples.some((sample) => sample !== undefined) ?? false;
  }

  #stunState(): MasterMeasurement['stun'] {
    if (this.candidate.stunPort === undefined) return 'none';
    if (!this.#round) return 'untried';
    return this.#isAnswered ? 'answers' : 'silent';
  }

  #transferReport(nowMs: number): Partial<MasterMeasurement> {
    if (!this.#transfer) return {};
    const { control, downMbit, upMbit } = this.#transfer.result;
    return {
      ...{ control, transferAgeMs: this.#ageOf(this.#transfer, nowMs) },
      ...(downMbit === undefined ? {} : { downMbit }),
      ...(upMbit === undefined ? {} : { upMbit }),
    };
  }

  #ageOf({ atMs }: { readonly atMs: number }, nowMs: number): number {
    return Math.min(oldestAgeMs, nowMs - atMs);
  }
}
