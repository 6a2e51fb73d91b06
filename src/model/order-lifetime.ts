/** An order to move may be carried out for a day at most, by whoever was away when it was given. */
export const longestOrderMs = 24 * 3_600_000;
