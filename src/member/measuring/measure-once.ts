import type { CandidateMaster } from '../../api/measuring-messages.ts';
import { nextTransfer } from '../../core/measuring/probe-schedule.ts';
import { describeError } from '../../model/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { ResolveHost } from '../resolve-endpoint.ts';
import { MeasuredMaster } from './measured-master.ts';
import { countHops, probeRound, stunServerOf } from './probe-master.ts';

export interface MeasureOnceDependencies {
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly resolveHost: ResolveHost;
  /** Resolves when whoever answers at a candidate's control port has proved to be that master. */
  readonly proveControl: (candidate: CandidateMaster, signal: AbortSignal) => Promise<void>;
}

/** Masters that are asked at once. */
const mastersAtOnce = 16;

/**
 * Measures masters for who is not a member yet: one round of requests, the hops, and whether the
 * control ports of the nearest answer. Bandwidth is for members only. What goes wrong with one master
 * keeps no other from being measured.
 * @throws the signal's reason
 */
export async function measureOnce(
  candidates: readonly CandidateMaster[],
  dependencies: MeasureOnceDependencies,
  signal: AbortSignal,
): Promise<readonly MeasuredMaster[]> {
  const masters = candidates.map((candidate) => new MeasuredMaster(candidate));
  for (let start = 0; start < masters.length; start += mastersAtOnce) {
    const group = masters.slice(start, start + mastersAtOnce);
    await Promise.all(group.map((master) => probe(master, dependencies, signal)));
  }
  await tryControls(masters, dependencies, signal);
  return masters;
}

async function probe(
  master: MeasuredMaster,
  dependencies: MeasureOnceDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { clock, resolveHost } = dependencies;
  const { control, stunPort } = master.candidate;
  if (stunPort === undefined) return;
  try {
    const server = await stunServerOf(control, stunPort, resolveHost);
    master.noteRound(await probeRound(server, dependencies, signal), clock.monotonicMs());
    const { latencyMs, jitterMs = 0 } = master.summary;
    if (latencyMs === undefined) return;
    const hops = await countHops(server, { latencyMs, jitterMs }, { clock }, signal);
    master.noteHops(hops, clock.monotonicMs());
  } catch (error) {
    signal.throwIfAborted();
    const problem = describeError(error);
    master.noteRound({ samples: [undefined], problem }, clock.monotonicMs());
  }
}

/** Of the nearest few; those whose port does not answer make room for the next. */
async function tryControls(
  masters: readonly MeasuredMaster[],
  { clock, proveControl }: MeasureOnceDependencies,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const nowMs = clock.monotonicMs();
    const name = nextTransfer(masters.map((master) => master.transferFacts(nowMs)));
    const master = masters.find(({ candidate }) => candidate.name === name);
    if (!master) return;
    try {
      await proveControl(master.candidate, signal);
      master.noteTransfer({ control: 'answers' }, clock.monotonicMs());
    } catch (error) {
      signal.throwIfAborted();
      const problem = describeError(error);
      master.noteTransfer({ control: 'fails', problem }, clock.monotonicMs());
    }
  }
}
