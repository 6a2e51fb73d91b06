import { z } from 'zod';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import {
  ContentDigest,
  type Difference,
  differences,
  type KeyValue,
  type KeyValues,
} from '../../store/differences.ts';
import { moveStateKey } from '../../store/keys.ts';
import { maxTransactionBytes, maxTransactionOperations } from '../../store/request-rules.ts';
import type { Comparison, Operation, Store } from '../../store/store.ts';
import { scanStore } from '../../store/whole-store.ts';
import { ProvisionError } from '../provision-error.ts';

/** `move/state`: whose interrupted work is in a store that is being filled. */
const fillingSchema = z.object({
  version: z.literal(1),
  kind: z.enum(['copy', 'restoration']),
  /** SHA-256 of what it is filled from. */
  source: z.string().regex(/^[0-9a-f]{64}$/),
});
export type FillingPurpose = Omit<z.infer<typeof fillingSchema>, 'version'>;

export interface FillingTarget {
  readonly store: Store;
  /** For messages only. */
  readonly storeUrl: string;
  readonly signal: AbortSignal;
}

/** What a comparison came to. */
export interface Verified {
  readonly entries: number;
  readonly bytes: number;
  /** Over all keys and values, in hexadecimal. */
  readonly sha256: string;
}

/** Room for other things in a transaction than values. */
const batchBytes = maxTransactionBytes / 2;

/**
 * A store on its way from empty to what it shall hold. Its state is in the store, so that after a
 * crash the same command goes on; and of two that run at once the first one fails.
 */
export class StoreFilling {
  readonly #target: FillingTarget;
  readonly #fence: Comparison;
  /** Whether an earlier attempt had begun. */
  readonly isResumed: boolean;

  private constructor(target: FillingTarget, fence: Comparison, isResumed: boolean) {
    this.#target = target;
    this.#fence = fence;
    this.isResumed = isResumed;
  }

  /** @throws ProvisionError `not-empty` when anything else is in the store; nothing is changed then */
  static async begin(purpose: FillingPurpose, target: FillingTarget): Promise<StoreFilling> {
    const { store, signal } = target;
    const before = await store.get(moveStateKey, signal);
    if (before) requireSame(purpose, decodeRecord(fillingSchema, before.key, before.value), target);
    else if (!(await isEmptyStore(store, signal))) throw notEmpty(target);
    const result = await store.transact(
      {
        if: [{ key: moveStateKey, modRevision: before?.modRevision ?? 0 }],
        then: [{ put: moveStateKey, value: encodeRecord({ version: 1, ...purpose }) }],
      },
      signal,
    );
    if (!result.succeeded) throw takenOver(target);
    const fence = { key: moveStateKey, modRevision: result.revision };
    return new StoreFilling(target, fence, before !== undefined);
  }

  /** Makes the store hold these and nothing else. */
  async write(wanted: KeyValues, onCompared: (entry: KeyValue) => void): Promise<void> {
    const { store, signal } = this.#target;
    let batch: Operation[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      await this.#transact(batch);
      batch = [];
      bytes = 0;
    };
    for await (const difference of differences(wanted, scanStore(store, signal), onCompared)) {
      const operation = operationFor(difference);
      const size = 'put' in operation ? operation.value.byteLength : 0;
      if (batch.length > 0 && bytes + size > batchBytes) await flush();
      batch.push(operation);
      bytes += size;
      if (batch.length === maxTransactionOperations) await flush();
    }
    if (batch.length > 0) await flush();
  }

  /**
   * Writes, in one transaction, the entry without which nobody takes the store for a VPN's, and that
   * the work has come to its end.
   */
  async finish(last: KeyValue | undefined): Promise<void> {
    const { store, signal } = this.#target;
    const puts = last ? [{ put: last.key, value: last.value }] : [];
    await this.#transact([...puts, { delete: moveStateKey }]);
    if (!last) return;
    const found = await store.get(last.key, signal);
    if (!found || Buffer.compare(found.value, last.value) !== 0) {
      throw differs(this.#target, { key: last.key, kind: 'different' });
    }
  }

  async #transact(then: readonly Operation[]): Promise<void> {
    const { store, signal } = this.#target;
    const { succeeded } = await store.transact({ if: [this.#fence], then }, signal);
    if (!succeeded) throw takenOver(this.#target);
  }
}

export interface VerifyOptions {
  /** A key that is written last and may still be missing. */
  readonly pending?: string;
  readonly onCompared?: (entry: KeyValue) => void;
}

/**
 * Reads a whole store back and compares it with what it shall hold.
 * @throws ProvisionError `differs` naming the first key that is not as wanted
 */
export async function verifyStore(
  wanted: KeyValues,
  target: FillingTarget,
  { pending, onCompared }: VerifyOptions = {},
): Promise<Verified> {
  const { store, signal } = target;
  const digest = new ContentDigest();
  const compared = (entry: KeyValue): void => {
    digest.add(entry);
    onCompared?.(entry);
  };
  for await (const found of differences(wanted, scanStore(store, signal), compared)) {
    const key = found.kind === 'extra' ? found.key : found.entry.key;
    if (found.kind !== 'missing' || key !== pending) throw differs(target, { ...found, key });
  }
  return { entries: digest.entries, bytes: digest.bytes, sha256: digest.digest() };
}

/** Whether a store holds nothing of anybody, and no interrupted work either. */
async function isEmptyStore(store: Store, signal: AbortSignal): Promise<boolean> {
  if (await store.get(moveStateKey, signal)) return false;
  for await (const _entry of scanStore(store, signal)) return false;
  return true;
}

function operationFor(difference: Difference): Operation {
  if (difference.kind === 'extra') return { delete: difference.key };
  return { put: difference.entry.key, value: difference.entry.value };
}

function requireSame(
  purpose: FillingPurpose,
  found: FillingPurpose,
  { storeUrl }: FillingTarget,
): void {
  if (found.kind === purpose.kind && found.source === purpose.source) return;
  throw new ProvisionError(
    `${storeUrl} holds an interrupted ${found.kind} of something else: finish that, or name an empty store`,
    { code: 'not-empty', fields: { store: storeUrl } },
  );
}

export function notEmpty({ storeUrl }: Pick<FillingTarget, 'storeUrl'>): ProvisionError {
  return new ProvisionError(
    `${storeUrl} is not empty: name a store that holds nothing; what is there is never overwritten`,
    { code: 'not-empty', fields: { store: storeUrl } },
  );
}

function differs(
  { storeUrl }: FillingTarget,
  { key, kind }: { readonly key: string; readonly kind: Difference['kind'] },
): ProvisionError {
  return new ProvisionError(
    `${storeUrl} does not hold what it should: the key "${key}" is ${kind}. Something else writes to it, or to where this was read: stop that and run this again`,
    { code: 'differs', fields: { key }, retryable: true },
  );
}

function takenOver({ storeUrl }: FillingTarget): ProvisionError {
  return new ProvisionError(`somebody else fills ${storeUrl} at the same time: let them finish`, {
    code: 'conflict',
    fields: { name: storeUrl },
    retryable: true,
  });
}
