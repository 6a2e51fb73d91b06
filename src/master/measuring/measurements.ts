import type {
  CandidateMaster,
  CandidatesMessage,
  MasterMeasurement,
  MeasurementsMessage,
} from '../../api/measuring-messages.ts';
import { mostCandidates } from '../../core/measuring/probe-schedule.ts';
import { checkReport, judgeReport, type ReportTrust } from '../../core/measuring/report-check.ts';
import { defaultPlacementPolicy, type PlacementPolicy } from '../../core/placement/policy.ts';
import type { MasterName } from '../../model/names.ts';
import type { MasterRecord } from '../../model/records/directory.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { MeasuringMetrics } from '../observability/measuring-metrics.ts';
import type { MemberSession } from '../session/member-session.ts';

export interface MeasurementsDependencies {
  readonly master: MasterName;
  readonly directory: Pick<Directory, 'masterRecords' | 'placementPolicy'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: MeasuringMetrics;
  /** Ends when the master stops. */
  readonly signal: AbortSignal;
}

/** A report is compared with what is seen at about the same time. */
const checkPings = 4;
const checkPingEveryMs = 250;
/** The last of them is waited for no longer; who takes longer is compared with the others. */
const checkPatienceMs = 2_000;

/** More than are ever wrong at once; beyond that, whoever was found first is forgotten. */
const mostSuspects = 10_000;

/** Tells members what to measure, keeps what they report, and looks whether it can be true. */
export class Measurements {
  readonly #dependencies: MeasurementsDependencies;
  /** Members whose last report did not agree: that outlives their sessions. Who was found last is last. */
  readonly #suspects = new Map<IdentityKey, ReportTrust>();
  /** What members are told, written once; undefined when the directory has changed since. */
  #candidates: string | undefined;

  /** Of the policy, as sessions know them. */
  #terms: PlacementPolicy['measuring'];

  constructor(dependencies: MeasurementsDependencies) {
    this.#dependencies = dependencies;
    this.#terms = termsOf(dependencies.directory);
  }

  /** The member measures: it is told what, unless it knows. */
  tell(session: MeasuredSession): void {
    const { measured, member } = session;
    this.#candidates ??= listCandidates(this.#dependencies.directory);
    measured.trust = this.#suspects.get(member.identityKey) ?? measured.trust;
    if (measured.candidates === this.#candidates) return;
    measured.candidates = this.#candidates;
    session.sendText(this.#candidates);
  }

  /**
   * To be said when the directory may have other masters, others of their places, or another policy.
   * Masters are told with a member's next report; how often to measure, and for how much, at once.
   */
  directoryChanged(sessions: () => readonly MeasuredSession[]): void {
    this.#candidates = undefined;
    const measuring = termsOf(this.#dependencies.directory);
    const { intervalSeconds, bytesPerDay } = this.#terms;
    const isSame =
      measuring.intervalSeconds === intervalSeconds && measuring.bytesPerDay === bytesPerDay;
    this.#terms = measuring;
    if (isSame) return;
    for (const session of sessions()) if (session.measured.candidates) this.tell(session);
  }

  /** A ping of this master's was answered, or what looks like it. @param nowMs monotonic */
  noteAnswer({ measured }: MeasuredSession, nonce: Buffer, nowMs: number): void {
    const roundTripMs = measured.finish(nonce, nowMs);
    if (roundTripMs !== undefined) this.#dependencies.metrics.seen(roundTripMs);
  }

  /** Takes a report in. Resolves when it has been compared. */
  async take(session: MeasuredSession, { masters }: MeasurementsMessage): Promise<void> {
    const { clock, metrics, master } = this.#dependencies;
    const { measured } = session;
    measured.report = { masters, atMs: clock.monotonicMs() };
    metrics.reported(masters.find(isOf(master))?.latencyMs);
    // Masters that have come since are measured in its next round.
    if (measured.candidates) this.tell(session);
    if (measured.isChecking) return;
    measured.isChecking = true;
    try {
      await this.#check(session);
    } finally {
      measured.isChecking = false;
    }
  }

  async #check(session: MeasuredSession): Promise<void> {
    const { clock, signal } = this.#dependencies;
    for (let ping = 0; ping < checkPings; ping += 1) {
      session.probe(clock.monotonicMs());
      const waitMs = ping < checkPings - 1 ? checkPingEveryMs : checkPatienceMs;
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
    if (signal.aborted) return;
    const own = session.measured.report?.masters.find(isOf(this.#dependencies.master));
    if (own?.latencyMs === undefined) return;
    this.#judge(session, { ...own, latencyMs: own.latencyMs });
  }

  #judge(
    { measured, member }: MeasuredSession,
    { latencyMs, jitterMs = 0 }: MasterMeasurement & { readonly latencyMs: number },
  ): void {
    const { log, metrics } = this.#dependencies;
    const seenMs = measured.roundTripsMs;
    const verdict = checkReport({ latencyMs, jitterMs, seenMs });
    const before = measured.trust;
    measured.trust = judgeReport(before, verdict);
    this.#remember(member, measured.trust);
    metrics.judged(verdict);
    if (!measured.trust.isAlert || before.isAlert) return;
    metrics.alerted();
    log.warn(
      {
        ...{ subset: member.subset, member: member.name, verdict, reportedMs: latencyMs },
        seenMs: [Math.min(...seenMs), Math.max(...seenMs)],
      },
      'a member reports another latency than its session has',
    );
  }

  #remember({ identityKey }: MemberSession['member'], trust: ReportTrust): void {
    this.#suspects.delete(identityKey);
    if (trust.disagreements > 0) this.#suspects.set(identityKey, trust);
    const [first] = this.#suspects.keys();
    if (this.#suspects.size > mostSuspects && first !== undefined) this.#suspects.delete(first);
  }
}

/** What is needed of a session. */
export type MeasuredSession = Pick<MemberSession, 'measured' | 'member' | 'sendText' | 'probe'>;

/** Measuring by the defaults harms nobody, where the policy cannot be read. */
function termsOf({
  placementPolicy = defaultPlacementPolicy,
}: Pick<Directory, 'placementPolicy'>): PlacementPolicy['measuring'] {
  return placementPolicy.measuring;
}

/** What a member has to know of a master to measure it. */
export function candidateOf({ name, control, stunPort }: MasterRecord): CandidateMaster {
  return { name, control, ...(stunPort === undefined ? {} : { stunPort }) };
}

/** In the order of names, so that the same directory makes the same text. */
function listCandidates(directory: MeasurementsDependencies['directory']): string {
  const masters = directory
    .masterRecords()
    .map(candidateOf)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, mostCandidates);
  const measuring = termsOf(directory);
  const message: CandidatesMessage = { type: 'candidates', masters, measuring };
  return JSON.stringify(message);
}

const isOf =
  (master: MasterName) =>
  ({ name }: MasterMeasurement): boolean =>
    name === master;
