import type { Part } from '../part.ts';
import { decision } from './decision.ts';
import { globalPlan } from './global-plan.ts';
import { latency } from './latency.ts';
import { probes } from './probes.ts';

/** In the order in which they run. */
export const placementParts: readonly Part[] = [probes, decision, globalPlan, latency];
