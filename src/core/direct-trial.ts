/*
 * The search for an endpoint by which another member can be reached: one candidate after the other,
 * each for as long as a handshake across a continent takes. All times are counted in ticks, so that a
 * process that was stopped gives nothing up for it.
 */

/** All that happens on direct paths is counted in these. */
export const directTickMs = 50;

const candidateTicks = 700 / directTickMs;
/** A relay serves when both ends send to it, and the other end may have eight candidates to try before. */
const relayTicks = 12_000 / directTickMs;
/** WireGuard drops handshakes that cross; who is second leaves the first one so much time. */
const headStartTicks = 250 / directTickMs;
/** A NAT may need a packet of each end before it lets one of the other through. */
const rounds = 2;
/** How many candidates' times a tunnel that stands already is waited for, until its probes come through. */
const maxPatience = 3;

export interface Trial {
  readonly candidates: readonly string[];
  /** What is tried last, when none of them has served; see `startTrial`. */
  readonly relay?: string;
  /** How many steps are over; before the first there is only waiting. */
  readonly step: number;
  readonly ticks: number;
  /** How often this step has been given another while. */
  readonly patience: number;
}

/**
 * @param isFirst who sends first; the other end is told the opposite
 * @param relay of a master, numeric `address:port`: tried once, for long, because the ends come to it at
 *   different times when they have not as many candidates
 */
export function startTrial(candidates: readonly string[], isFirst: boolean, relay?: string): Trial {
  const trial = { candidates, step: isFirst ? 0 : -1, ticks: 0, patience: 0 };
  return relay === undefined ? trial : { ...trial, relay };
}

/** The candidate that is tried now; undefined while the other end is given its head start. */
export function candidateOf(trial: Trial): string | undefined {
  const { candidates, step } = trial;
  if (isAtRelay(trial)) return trial.relay;
  return step < 0 ? undefined : candidates[step % candidates.length];
}

/** All that have had their turn or have it now, the earliest first. */
export function triedCandidates(trial: Trial): readonly string[] {
  const { candidates, relay, step } = trial;
  const tried = candidates.slice(0, step + 1);
  return relay !== undefined && isAtRelay(trial) ? [...tried, relay] : tried;
}

/** One tick. `isOver` says whether the step has had its time: then comes `nextStep`. */
export function tickTrial(trial: Trial): { readonly trial: Trial; readonly isOver: boolean } {
  const ticks = trial.ticks + 1;
  return { trial: { ...trial, ticks }, isOver: ticks >= ticksOf(trial) };
}

/**
 * @param isHeard whether anything came from the other end in this step: taking the peer out would
 *   destroy what is about to stand
 * @returns undefined when nothing is left to be tried
 */
export function nextStep(trial: Trial, isHeard: boolean): Trial | undefined {
  if (isHeard && trial.patience < maxPatience) {
    return { ...trial, ticks: 0, patience: trial.patience + 1 };
  }
  const step = trial.step + 1;
  if (step >= directSteps(trial) + (trial.relay === undefined ? 0 : 1)) return undefined;
  return { ...trial, step, ticks: 0, patience: 0 };
}

function ticksOf(trial: Trial): number {
  if (trial.step < 0) return headStartTicks;
  return isAtRelay(trial) ? relayTicks : candidateTicks;
}

function isAtRelay(trial: Trial): boolean {
  return trial.relay !== undefined && trial.step >= directSteps(trial);
}

function directSteps({ candidates }: Trial): number {
  return candidates.length * rounds;
}
