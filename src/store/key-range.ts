/*
 * Keys are ordered by Unicode code points, which is the order of their UTF-8 bytes and not always
 * the order of JavaScript's `<`. Whoever must compare two keys does so here.
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

/** Negative, zero or positive, as stores order keys. */
export function compareKeys(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one, 'utf8'), Buffer.from(other, 'utf8'));
}
