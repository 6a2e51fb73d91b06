/**
 * What is known of the number of links to a server, from requests that may cross so many and no more:
 * `tooFew` got no answer, `enough` did.
 */
export interface HopSearch {
  readonly tooFew: number;
  readonly enough: number;
  /** To be asked first: how many it was last time. */
  readonly guess?: number | undefined;
}

/** The default of most systems (RFC 1700), with which the server was reached before the search. */
const reachedWith = 64;

/** @param before the result of an earlier search, which is likely the same */
export function beginHopSearch(before?: number): HopSearch {
  return { tooFew: 0, enough: reachedWith, guess: before };
}

/** The next number of links to try; undefined when `enough` is the result. */
export function nextHopLimit({ tooFew, enough, guess }: HopSearch): number | undefined {
  if (enough - tooFew <= 1) return undefined;
  if (guess !== undefined && enough === guess) return guess - 1;
  if (guess !== undefined && guess > tooFew && guess < enough) return guess;
  return (tooFew + enough) >> 1;
}

export function noteHopLimit(search: HopSearch, limit: number, isAnswered: boolean): HopSearch {
  if (isAnswered) return { ...search, enough: limit };
  // The guess has been of use as far as it was right.
  return { tooFew: limit, enough: search.enough };
}
