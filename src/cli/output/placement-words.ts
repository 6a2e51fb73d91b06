import type { Candidate } from '../../core/placement/decide.ts';

/** A subset with the master that acts for it: `europe (fra)`. */
export const describePlace = ({ subset, master }: Candidate): string => `${subset} (${master})`;

/** A score, or a part of one. */
export const formatPoints = (points: number): string => points.toFixed(1);
