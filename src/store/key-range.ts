/*
 * Keys are ordered by Unicode code points, which is the order of their UTF-8 bytes and not always
 * the order of JavaScript's `<`. So every store compares keys itself; code outside does not.
 */

const lastCodePoint = 0x10ffff;
const lastBeforeSurrogates = 0xd7ff;
const firstAfterSurrogates = 0xe000;

/**
 * The first key, in key order, after all those that start with the prefix; undefined when the
 * keys with the prefix are the last ones.
 */
export function prefixEnd(prefix: string): string | undefined {
  const codePoints = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  while (codePoints.at(-1) === lastCodePoint) codePoints.pop();
  const last = codePoints.pop();
  if (last === undefined) return undefined;
  const next = last === lastBeforeSurrogates ? firstAfterSurrogates : last + 1;
  return String.fromCodePoint(...codePoints, next);
}

/** The smallest key greater than this one. It relies on keys never containing U+0000. */
export function keyAfter(key: string): string {
  return `${key}\u0001`;
}
