import type { PlacedMessage } from '../../api/placing-messages.ts';
import type { MeasuredMaster } from '../measuring/measured-master.ts';

/** What one who waits for a join is told, a line at a time. */
export type OnProgress = (line: string) => void;

/** So many masters are named. */
const mostNamed = 3;

export function describeMeasured(masters: readonly MeasuredMaster[]): string {
  const answering = masters
    .map(({ candidate: { name }, summary: { latencyMs } }) => ({ name, latencyMs }))
    .filter(({ latencyMs }) => latencyMs !== undefined)
    .toSorted((one, other) => (one.latencyMs ?? 0) - (other.latencyMs ?? 0));
  const nearest = answering
    .slice(0, mostNamed)
    .map(({ name, latencyMs = 0 }) => `${name} ${latencyMs.toFixed(1)} ms`);
  const found = `${answering.length} of ${masters.length} masters answer`;
  return nearest.length === 0 ? found : `${found}: ${nearest.join(', ')}`;
}

export function describePlaced({ subset, master, score, next }: PlacedMessage): string {
  if (score === undefined) return `placed in ${subset} (${master}), as before`;
  const best = `placed in ${subset} (${master}): ${score.toFixed(1)} points`;
  if (next?.score === undefined) return `${best}, the only place`;
  return `${best}; next best is ${next.subset} (${next.master}): ${next.score.toFixed(1)}`;
}
