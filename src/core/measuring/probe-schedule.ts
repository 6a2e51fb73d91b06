import type { ByteBudget } from './byte-budget.ts';
import { type MeasuringTerms, usualTerms } from './measuring-terms.ts';

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/** Most masters that a member measures; the nearest of the VPN would be among them in any case. */
export const mostCandidates = 200;

/**
 * An IPv6 header, a UDP header, and the longest that goes each way: a binding request with its
 * FINGERPRINT, and the answer with an IPv6 address and SOFTWARE.
 */
export const exchangeBytes = 40 + 8 + 28 + (40 + 8 + 64);
/** Of one transfer, each way. */
export const transferBytes = 65_536;
/**
 * What two of them, there and back, put on the wire besides: TCP, IPv6 and TLS headers of some hundred
 * packets with their acknowledgements, and a TLS handshake with two certificate chains.
 */
const transferOverheadBytes = 28_000;
export const transferPairBytes = 2 * transferBytes + transferOverheadBytes;

/** Requests in one round: enough for a median that two outliers do not move. */
export const samplesOfRound = 8;
/** Those of a search for the hops: six steps and two for a wrong guess, each of them tried twice. */
export const mostHopRequests = 16;
/** Only the best are asked for their bandwidth, each once a day, and no more of them than this. */
export const transferMasters = 3;
const transferEveryMs = dayMs;

/** Of the bytes of a day for each kind of probe; with the transfers below what `probeBudget` gains. */
const dailyShares = { rounds: 0.45, hops: 0.075 } as const;
const burstShare = 0.225;
const transferShare = 0.25;
const shortestHopsMs = 6 * 60 * minuteMs;

/** What a member's probes may cost: at most the bytes of a day in any 24 hours, whoever asks for how much. */
export function probeBudget({ bytesPerDay }: MeasuringTerms = usualTerms): ByteBudget {
  return {
    burstBytes: burstShare * bytesPerDay,
    perDayBytes: (1 - burstShare) * bytesPerDay,
  };
}

export interface ProbeSchedule {
  /** How many masters a round can pay for: those that have waited longest, each asked `samplesOfRound` times. */
  readonly mastersOfRound: number;
  /** From the beginning of one round to the next one's. */
  readonly roundEveryMs: number;
  /** How old the number of hops to a master may become. */
  readonly hopsEveryMs: number;
  /** To how many of the best masters the bandwidth is measured, once a day. */
  readonly transferMasters: number;
}

/** How often to measure so many masters. */
export function planProbes(masters: number, terms: MeasuringTerms = usualTerms): ProbeSchedule {
  const { bytesPerDay, intervalMs } = terms;
  const { burstBytes } = probeBudget(terms);
  const mastersOfRound = Math.min(masters, Math.floor(burstBytes / roundBytesOf(1)));
  const hopsBytes = masters * mostHopRequests * exchangeBytes;
  return {
    mastersOfRound,
    roundEveryMs: Math.max(
      intervalMs,
      everyMs(roundBytesOf(mastersOfRound), dailyShares.rounds * bytesPerDay),
    ),
    hopsEveryMs: Math.max(shortestHopsMs, everyMs(hopsBytes, dailyShares.hops * bytesPerDay)),
    transferMasters:
      transferPairBytes > burstBytes
        ? 0
        : Math.min(transferMasters, Math.floor((transferShare * bytesPerDay) / transferPairBytes)),
  };
}

/** The most that probes after the schedule put on the wire in a day, headers of IPv6 included. */
export function dailyProbeBytes(masters: number, terms: MeasuringTerms = usualTerms): number {
  const schedule = planProbes(masters, terms);
  const { mastersOfRound, roundEveryMs, hopsEveryMs } = schedule;
  if (mastersOfRound === 0) return 0;
  const rounds = (dayMs / roundEveryMs) * roundBytesOf(mastersOfRound);
  const hops = (dayMs / hopsEveryMs) * masters * mostHopRequests * exchangeBytes;
  const transfers = Math.min(masters, schedule.transferMasters) * transferPairBytes;
  return rounds + hops + transfers;
}

const roundBytesOf = (masters: number): number => masters * samplesOfRound * exchangeBytes;

/** How seldom something has to be done to cost no more in a day. */
function everyMs(bytes: number, bytesPerDay: number): number {
  return bytes === 0 ? 0 : (dayMs * bytes) / bytesPerDay;
}

/** From the start of a round to the next: never less than planned, so that members spread over time. @param random 0 to 1 */
export function nextRoundMs({ roundEveryMs }: ProbeSchedule, random: number): number {
  return roundEveryMs * (1 + random / 4);
}

/** What is known of a master when the best are chosen. */
export interface TransferCandidate {
  readonly name: string;
  /** Absent when nothing was answered. */
  readonly latencyMs?: number | undefined;
  /** For how long its bandwidth has been known, or was tried in vain; undefined for never. */
  readonly triedAgoMs?: number | undefined;
  /** Whether the last try failed. */
  readonly hasFailed: boolean;
}

/**
 * The master whose bandwidth is to be measured now: of the nearest few that can be, one whose figure
 * is too old. Those that have failed make room for the next, until it is time to try them again.
 * @param masters how many the nearest few are
 */
export function nextTransfer(
  candidates: readonly TransferCandidate[],
  masters: number = transferMasters,
): string | undefined {
  const isDue = ({ triedAgoMs = Infinity }: TransferCandidate) => triedAgoMs >= transferEveryMs;
  const best = candidates
    .filter((candidate) => candidate.latencyMs !== undefined)
    .filter((candidate) => !candidate.hasFailed || isDue(candidate))
    .toSorted((a, b) => (a.latencyMs ?? 0) - (b.latencyMs ?? 0) || (a.name < b.name ? -1 : 1))
    .slice(0, masters);
  return best.find(isDue)?.name;
}
