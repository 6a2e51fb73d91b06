import { keyAfter, prefixEnd } from '../key-range.ts';
import type { RangeOptions } from '../store.ts';

/** From a key, inclusive, to another one, exclusive, as etcd compares them: by their bytes. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/** The part of a cluster's keys that is one store's: those with the prefix, which nobody outside sees. */
export class KeySpace {
  readonly #prefix: string;

  /** @param prefix not empty, without characters that no other key could follow */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  toBytes(key: string): Uint8Array {
    return Buffer.from(this.#prefix + key);
  }

  toKey(bytes: Uint8Array): string {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      .toString()
      .slice(this.#prefix.length);
  }

  /** All keys that start with the prefix. */
  rangeOf(prefix: string): KeyRange {
    return { key: this.toBytes(prefix), rangeEnd: this.#endOf(prefix) };
  }

  /** Those of them that come after the one given, in the order asked for. */
  rangeAfter(prefix: string, { after, reverse }: RangeOptions): KeyRange {
    const range = this.rangeOf(prefix);
    if (after === undefined) return range;
    if (reverse) return { ...range, rangeEnd: lesser(range.rangeEnd, this.toBytes(after)) };
    return { ...range, key: greater(range.key, this.toBytes(keyAfter(after))) };
  }

  #endOf(prefix: string): Uint8Array {
    // Never undefined, because of what the store's own prefix ends with.
    return Buffer.from(prefixEnd(this.#prefix + prefix) ?? '');
  }
}

/** The longest text that all of them start with; a watch on it sees whatever any of them is to see. */
export function commonPrefix(prefixes: readonly string[]): string {
  const characters = prefixes.map((prefix) => [...prefix]);
  const first = characters[0] ?? [];
  const differs = first.findIndex((character, index) =>
    characters.some((other) => other[index] !== character),
  );
  return first.slice(0, differs === -1 ? first.length : differs).join('');
}

function lesser(one: Uint8Array, other: Uint8Array): Uint8Array {
  return Buffer.compare(one, other) <= 0 ? one : other;
}

function greater(one: Uint8Array, other: Uint8Array): Uint8Array {
  return Buffer.compare(one, other) >= 0 ? one : other;
}
