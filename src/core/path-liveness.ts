/*
 * Whether a tunnel still carries packets, judged from its counters: what the other end sends is
 * proof, whatever it is, so a busy tunnel costs nothing to watch and an idle one a probe now and
 * then. In the manner of BFD (RFC 5880): each end also says whether it hears the other, so that a
 * tunnel that works one way only is dead for both.
 */

/** All times are counted in ticks, so that a process that was stopped blames nobody for it. */
export interface LivenessSettings {
  /** So many ticks without an answer, while something was sent: dead. */
  readonly deadAfterTicks: number;
  /** An idle tunnel is probed this often. */
  readonly idleProbeTicks: number;
  /**
   * A tunnel out of which something came in so many ticks in a row is probed as soon as it falls silent:
   * who only answers would else notice its death only after the other end has sent by another way.
   */
  readonly busyTicks: number;
  /** A dead one this often. */
  readonly deadProbeTicks: number;
  /** A dead tunnel is alive again when it was heard in so many ticks without a longer gap than `deadAfterTicks`. */
  readonly aliveAfterTicks: number;
}

/** What was seen since the last tick. */
export interface PathObservation {
  /** Something came out of the tunnel. */
  readonly received: boolean;
  /** Something went into it. */
  readonly sent: boolean;
  /** The other end's last word: it does not hear this one. */
  readonly remoteIsDeaf: boolean;
}

export interface Liveness {
  readonly isAlive: boolean;
  /** Since something came. */
  readonly quietTicks: number;
  /** In how many ticks in a row something came, until it fell silent. */
  readonly heardInARowTicks: number;
  /** Of the quiet ones, those since something was sent that has not been answered by anything. */
  readonly unansweredTicks: number;
  /** While dead: in how many ticks it was heard. */
  readonly heardTicks: number;
}

/** A tunnel that nobody has tried yet is given the benefit of the doubt. */
export const freshLiveness: Liveness = {
  isAlive: true,
  quietTicks: 0,
  heardInARowTicks: 0,
  unansweredTicks: 0,
  heardTicks: 0,
};

/** One tick. `probe` says whether one has to be sent now. */
export function watchPath(
  before: Liveness,
  seen: PathObservation,
  settings: LivenessSettings,
): { readonly liveness: Liveness; readonly probe: boolean } {
  const isHeard = seen.received && !seen.remoteIsDeaf;
  const quietTicks = seen.received ? 0 : before.quietTicks + 1;
  const heardInARowTicks = heardInARow(before, seen);
  const isWaiting = !isHeard && (seen.sent || seen.remoteIsDeaf || before.unansweredTicks > 0);
  const unansweredTicks = isWaiting ? before.unansweredTicks + 1 : 0;
  const counted = { ...before, quietTicks, heardInARowTicks, unansweredTicks };
  const liveness = before.isAlive
    ? whileAlive(counted, settings)
    : whileDead(counted, isHeard, settings);
  return { liveness, probe: needsProbe(liveness, settings) };
}

function heardInARow({ quietTicks, heardInARowTicks }: Liveness, seen: PathObservation): number {
  if (!seen.received) return heardInARowTicks;
  return quietTicks === 0 ? heardInARowTicks + 1 : 1;
}

function whileAlive(liveness: Liveness, { deadAfterTicks }: LivenessSettings): Liveness {
  return { ...liveness, isAlive: liveness.unansweredTicks < deadAfterTicks, heardTicks: 0 };
}

function whileDead(
  liveness: Liveness,
  isHeard: boolean,
  { deadAfterTicks, aliveAfterTicks }: LivenessSettings,
): Liveness {
  if (isHeard) {
    const heardTicks = liveness.heardTicks + 1;
    return { ...liveness, heardTicks, isAlive: heardTicks >= aliveAfterTicks };
  }
  return liveness.quietTicks >= deadAfterTicks ? { ...liveness, heardTicks: 0 } : liveness;
}

function needsProbe(
  { isAlive, quietTicks, heardInARowTicks, unansweredTicks, heardTicks }: Liveness,
  { idleProbeTicks, busyTicks, deadProbeTicks }: LivenessSettings,
): boolean {
  if (isAlive) {
    if (quietTicks === 1 && heardInARowTicks >= busyTicks) return true;
    return unansweredTicks > 0 || (quietTicks > 0 && quietTicks % idleProbeTicks === 0);
  }
  return heardTicks > 0 || quietTicks % deadProbeTicks === 0;
}
