/** A member that has moved keeps its old addresses for a day at most. */
export const longestGraceMs = 24 * 3_600_000;
