import type { CandidateMaster, MasterMeasurement } from '../../api/measuring-messages.ts';
import { fullPurse, type Purse, spend } from '../../core/measuring/byte-budget.ts';
import {
  acceptTerms,
  areSameTerms,
  type MeasuringTerms,
  usualTerms,
} from '../../core/measuring/measuring-terms.ts';
import {
  exchangeBytes,
  mostHopRequests,
  nextRoundMs,
  nextTransfer,
  type ProbeSchedule,
  planProbes,
  probeBudget,
  samplesOfRound,
  transferPairBytes,
} from '../../core/measuring/probe-schedule.ts';
import { describeError } from '../../model/error.ts';
import type { MasterName } from '../../model/names.ts';
import { aborted } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { Log } from '../../runtime/log.ts';
import type { SocketAddress } from '../../stun/mapped-address.ts';
import type { ResolveHost } from '../resolve-endpoint.ts';
import { MeasuredMaster } from './measured-master.ts';
import { countHops, probeRound, stunServerOf } from './probe-master.ts';
import { measureTransfer, type TransferTarget } from './transfer.ts';

export interface MeasurerDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
  readonly resolveHost: ResolveHost;
  /** As whom to connect, now. */
  readonly trust: () => Pick<TransferTarget, 'vpn' | 'rootCertificate' | 'credentials'>;
}

/** When there is something to measure for the first time: within this, for a subset joins together. */
const firstRoundMs = 5_000;
/** Masters that are asked at once. */
const mastersAtOnce = 16;

/** What is known, and when more will be. Times are of the monotonic clock. */
export interface MeasurerStatus {
  readonly masters: readonly MeasuredMaster[];
  readonly lastRoundMs: number | undefined;
  readonly nextRoundMs: number | undefined;
  readonly leftBytes: number;
  /** Whether the last round left something out, because the budget did not allow it. */
  readonly isLimited: boolean;
}

/**
 * Measures every master that it is told of, again and again. It owns what is known of them; rounds
 * follow each other and never overlap.
 */
export class Measurer {
  readonly #dependencies: MeasurerDependencies;
  readonly #rounds = new LatestLoop(() => this.#round());
  readonly #listeners = new Set<() => void>();
  readonly #masters = new Map<MasterName, MeasuredMaster>();
  #terms: MeasuringTerms = usualTerms;
  #purse: Purse;
  #isLimited = false;
  #lastRoundMs: number | undefined;
  #nextRoundMs: number | undefined;
  #roundStartMs: number | undefined;
  #begin = Promise.withResolvers<void>();
  /** Aborted when the next round is to be at another time. */
  #wait = new AbortController();
  #signal: AbortSignal = AbortSignal.abort();

  constructor(dependencies: MeasurerDependencies) {
    this.#dependencies = dependencies;
    this.#purse = fullPurse(probeBudget(), dependencies.clock.monotonicMs());
  }

  get status(): MeasurerStatus {
    return {
      masters: [...this.#masters.values()],
      lastRoundMs: this.#lastRoundMs,
      nextRoundMs: this.#nextRoundMs,
      leftBytes: this.#purse.leftBytes,
      isLimited: this.#isLimited,
    };
  }

  /** Takes over whom to measure. What is known of those that are where they were is kept. */
  setCandidates(candidates: readonly CandidateMaster[]): void {
    const before = new Map(this.#masters);
    this.#masters.clear();
    for (const candidate of candidates) {
      const known = before.get(candidate.name);
      const isSame = known !== undefined && isAtSamePlace(known.candidate, candidate);
      this.#masters.set(candidate.name, isSame ? known : new MeasuredMaster(candidate));
    }
    if (candidates.length > 0) this.#begin.resolve();
  }

  /** Takes over how often to measure and for how much, as far as that is within the member's own limits. */
  setTerms(told: MeasuringTerms = usualTerms): void {
    const terms = acceptTerms(told);
    if (areSameTerms(terms, this.#terms)) return;
    this.#terms = terms;
    const { clock, random } = this.#dependencies;
    if (this.#roundStartMs === undefined || this.#nextRoundMs === undefined) return;
    // Others are told at the same moment.
    const earliestMs = clock.monotonicMs() + firstRoundMs * random();
    this.#nextRoundMs = Math.max(earliestMs, this.#roundStartMs + this.#roundEveryMs());
    this.#wait.abort();
  }

  /** What was measured of each master; empty before the first round. */
  report(): readonly MasterMeasurement[] {
    if (this.#lastRoundMs === undefined) return [];
    const nowMs = this.#dependencies.clock.monotonicMs();
    return [...this.#masters.values()].map((master) => master.report(nowMs));
  }

  /** Calls the listener after each round, until the returned function is called. */
  onRound(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves after a whole round that begins now; what the budget does not allow stays as it was. */
  measureNow(): Promise<void> {
    return this.#rounds.request();
  }

  /** @throws the signal's reason */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#dependencies;
    this.#signal = signal;
    await Promise.race([this.#begin.promise, aborted(signal)]);
    signal.throwIfAborted();
    this.#nextRoundMs = clock.monotonicMs() + firstRoundMs * random();
    for (;;) {
      await this.#untilNextRound(signal);
      this.#roundStartMs = clock.monotonicMs();
      await this.#rounds.request();
      this.#nextRoundMs = this.#roundStartMs + this.#roundEveryMs();
    }
  }

  /** @throws the signal's reason */
  async #untilNextRound(signal: AbortSignal): Promise<void> {
    const { clock } = this.#dependencies;
    for (;;) {
      this.#wait = new AbortController();
      const waitMs = Math.max(0, (this.#nextRoundMs ?? 0) - clock.monotonicMs());
      try {
        await clock.sleep(waitMs, AbortSignal.any([signal, this.#wait.signal]));
        return;
      } catch {
        // Unless it ends, the time has changed.
        signal.throwIfAborted();
      }
    }
  }

  get #schedule(): ProbeSchedule {
    return planProbes(this.#masters.size, this.#terms);
  }

  #roundEveryMs(): number {
    return nextRoundMs(this.#schedule, this.#dependencies.random());
  }

  async #round(): Promise<void> {
    this.#isLimited = false;
    const nowMs = this.#dependencies.clock.monotonicMs();
    const { mastersOfRound } = this.#schedule;
    // Those that have waited longest, in case that not all can be paid for.
    const masters = [...this.#masters.values()]
      .filter(({ candidate }) => candidate.stunPort !== undefined)
      .toSorted((one, other) => other.roundAgeMs(nowMs) - one.roundAgeMs(nowMs) || 0)
      .slice(0, mastersOfRound);
    for (let start = 0; start < masters.length; start += mastersAtOnce) {
      const group = masters.slice(start, start + mastersAtOnce);
      await Promise.all(group.map((master) => this.#probe(master)));
    }
    this.#signal.throwIfAborted();
    await this.#transfer();
    this.#lastRoundMs = this.#dependencies.clock.monotonicMs();
    for (const listener of [...this.#listeners]) listener();
  }

  /** Nothing that goes wrong with one master keeps the others from being measured. */
  async #probe(master: MeasuredMaster): Promise<void> {
    const { clock, log } = this.#dependencies;
    const { control, stunPort } = master.candidate;
    if (stunPort === undefined) return;
    if (!this.#spend(samplesOfRound * exchangeBytes)) return;
    try {
      const server = await stunServerOf(control, stunPort, this.#dependencies.resolveHost);
      const round = await probeRound(server, this.#dependencies, this.#signal);
      master.noteRound(round, clock.monotonicMs());
      await this.#countHops(master, server);
    } catch (error) {
      this.#signal.throwIfAborted();
      const problem = describeError(error);
      log.debug({ master: master.candidate.name, reason: problem }, 'a master was not measured');
      master.noteRound({ samples: [undefined], problem }, clock.monotonicMs());
    }
  }

  async #countHops(master: MeasuredMaster, server: SocketAddress): Promise<void> {
    const { clock } = this.#dependencies;
    const { latencyMs, jitterMs = 0 } = master.summary;
    const { hopsEveryMs } = this.#schedule;
    if (latencyMs === undefined || master.hopsAgeMs(clock.monotonicMs()) < hopsEveryMs) return;
    if (!this.#spend(mostHopRequests * exchangeBytes)) return;
    const known = { latencyMs, jitterMs, hops: master.hops };
    master.noteHops(await countHops(server, known, { clock }, this.#signal), clock.monotonicMs());
  }

  /** One master a round, so that its bandwidth is not shared with another's transfer. */
  async #transfer(): Promise<void> {
    const { clock, trust } = this.#dependencies;
    const nowMs = clock.monotonicMs();
    const all = [...this.#masters.values()];
    const name = nextTransfer(
      all.map((master) => master.transferFacts(nowMs)),
      this.#schedule.transferMasters,
    );
    const master = all.find(({ candidate }) => candidate.name === name);
    const { latencyMs } = master?.summary ?? {};
    if (!master || latencyMs === undefined || !this.#spend(transferPairBytes)) return;
    const target = { ...master.candidate, ...trust(), latencyMs };
    const result = await measureTransfer(target, { clock }, this.#signal);
    master.noteTransfer(result, clock.monotonicMs());
  }

  /** @returns whether there was enough, which is gone then */
  #spend(bytes: number): boolean {
    const nowMs = this.#dependencies.clock.monotonicMs();
    const after = spend(this.#purse, probeBudget(this.#terms), bytes, nowMs);
    if (after) this.#purse = after;
    else this.#isLimited = true;
    return after !== undefined;
  }
}

function isAtSamePlace(one: CandidateMaster, other: CandidateMaster): boolean {
  return one.control === other.control && one.stunPort === other.stunPort;
}
