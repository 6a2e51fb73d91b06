import { createHash } from 'node:crypto';
import { compareKeys } from './key-range.ts';
import type { Entry } from './store.ts';

/** What is compared and copied: revisions and leases are a store's own. */
export type KeyValue = Pick<Entry, 'key' | 'value'>;
export type KeyValues = AsyncIterable<KeyValue> | Iterable<KeyValue>;

export type Difference =
  | { readonly kind: 'missing' | 'different'; readonly entry: KeyValue }
  | { readonly kind: 'extra'; readonly key: string };

/**
 * What would have to change for `present` to be `wanted`; both in key order. It reads neither of
 * them further than the difference that it tells, so these may be written while it runs.
 * @param onCompared hears of each wanted entry once
 */
export async function* differences(
  wanted: KeyValues,
  present: KeyValues,
  onCompared: (entry: KeyValue) => void = () => undefined,
): AsyncGenerator<Difference> {
  const there = iterate(present);
  let found = await there.next();
  for await (const entry of wanted) {
    while (!found.done && compareKeys(found.value.key, entry.key) < 0) {
      yield { kind: 'extra', key: found.value.key };
      found = await there.next();
    }
    onCompared(entry);
    if (found.done || found.value.key !== entry.key) yield { kind: 'missing', entry };
    else {
      if (Buffer.compare(found.value.value, entry.value) !== 0) yield { kind: 'different', entry };
      found = await there.next();
    }
  }
  for (; !found.done; found = await there.next()) yield { kind: 'extra', key: found.value.key };
}

async function* iterate(values: KeyValues): AsyncGenerator<KeyValue, undefined> {
  yield* values;
  return undefined;
}

/** A count of entries and a SHA-256 that no two different contents share. */
export class ContentDigest {
  readonly #hash = createHash('sha256');
  entries = 0;
  bytes = 0;

  /** In key order. */
  add({ key, value }: KeyValue): void {
    const keyBytes = Buffer.from(key, 'utf8');
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32BE(keyBytes.length, 0);
    lengths.writeUInt32BE(value.byteLength, 4);
    this.#hash.update(lengths).update(keyBytes).update(value);
    this.entries += 1;
    this.bytes += keyBytes.length + value.byteLength;
  }

  /** Once, at the end. Lower-case hexadecimal. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}
