import { decidePlacement } from '../../src/core/placement/decide.ts';
import { placementPolicySchema } from '../../src/core/placement/policy.ts';
import { type Part, runsOf } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';
import { simulateWorld } from './simulated-world.ts';

const masters = 200;
const usualDecisions = 1_000;
/** Until the code is compiled; a master decides as often. */
const warmUp = 200;

/** One member's decision with all that explains it, one after the other. */
export const decision: Part = {
  name: 'decision',
  summary: `${usualDecisions} decisions among ${masters} masters`,
  place: 'sandbox',
  async measure(context) {
    const decisions = runsOf(context, usualDecisions);
    const { world, members } = simulateWorld({ members: warmUp + decisions, masters });
    const policy = placementPolicySchema.parse({});
    const timesMs = members.map((member) => {
      const startedMs = performance.now();
      decidePlacement({ member, world }, policy);
      return performance.now() - startedMs;
    });
    const measured = timesMs.slice(warmUp);
    return [
      {
        name: `one decision among ${masters} masters, with all reasons, median`,
        unit: 'ms',
        value: median(measured),
        goal: { kind: 'at-most', value: 1 },
        detail: describeSpread(measured, 2),
      },
    ];
  },
};
