import {
  dailyProbeBytes,
  mostCandidates,
  planProbes,
} from '../../src/core/measuring/probe-schedule.ts';
import type { Figure } from '../figure.ts';
import type { Part } from '../part.ts';

const mostBytes = 2_000_000;
const numbers = [1, 3, 9, 50, mostCandidates];

/** What measuring masters costs a member, after the schedule: computed, since a budget holds it to that. */
export const probes: Part = {
  name: 'probes',
  summary: 'probe traffic of a member in a day at the defaults, by the number of masters',
  place: 'sandbox',
  measure: async () => [...numbers.map(figureOf), worst()],
};

function figureOf(masters: number): Figure {
  const { roundEveryMs } = planProbes(masters);
  return {
    ...figure(`probe traffic per member and day, ${masters} masters`, masters),
    detail: `a round every ${Math.round(roundEveryMs / 60_000)} min`,
  };
}

function worst(): Figure {
  const all = Array.from({ length: mostCandidates }, (_, index) => index + 1);
  const masters = all.reduce((most, each) =>
    dailyProbeBytes(each) > dailyProbeBytes(most) ? each : most,
  );
  const worstFigure = figure('probe traffic per member and day, worst number of masters', masters);
  return { ...worstFigure, detail: `${masters} masters` };
}

function figure(name: string, masters: number): Figure {
  const value = dailyProbeBytes(masters) / 1_000_000;
  return { name, unit: 'MB', value, goal: { kind: 'at-most', value: mostBytes / 1_000_000 } };
}
