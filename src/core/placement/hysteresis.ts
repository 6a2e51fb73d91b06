import type { PlacementPolicy } from './policy.ts';

/** Whether a move is worth it: better by the points and the percent, and better at all where both are 0. Lower is better. */
export function isWorthMoving(
  currentScore: number,
  score: number,
  hysteresis: PlacementPolicy['hysteresis'],
): boolean {
  return score < currentScore && score <= worthwhileScore(currentScore, hysteresis);
}

/** The greatest score that a move is worth for, if it is less than the current one. */
export function worthwhileScore(
  currentScore: number,
  { points, percent }: PlacementPolicy['hysteresis'],
): number {
  return currentScore - Math.max(points, (currentScore * percent) / 100);
}
