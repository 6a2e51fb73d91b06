import { decodeRecord, encodeRecord } from '../model/records/codec.ts';
import { type GroupKeyRecord, groupKeyRecordSchema } from '../model/records/directory.ts';
import { type Epoch, type GroupKey, groupKeySchema } from '../model/wireguard-key.ts';
import type { Comparison, Entry, Operation } from '../store/store.ts';
import { openSealed, type SealingKey, seal } from '../trust/sealing.ts';
import { createGroupKey } from '../trust/wireguard-keys.ts';

/** A group key that is in the store, opened. */
export interface StoredGroupKey {
  readonly epoch: Epoch;
  readonly groupKey: GroupKey;
  readonly createdAtMs: number;
  /** The revision that made it. */
  readonly revision: number;
}

/** How many epochs stay in the store: this one, and the one before for whoever looks into a failure. */
const keptEpochs = 2;

/** A rotation, ready to be made part of a transaction. */
export interface RotationPlan {
  readonly if: readonly Comparison[];
  readonly then: readonly Operation[];
  readonly next: Omit<StoredGroupKey, 'revision'>;
}

/** The keys of one group, a subset or the backbone, each epoch under a store key of its own. */
export class GroupKeyStore {
  readonly #keyOf: (epoch: Epoch) => string;
  readonly #sealingKey: SealingKey;

  constructor(options: {
    readonly keyOf: (epoch: Epoch) => string;
    readonly sealingKey: SealingKey;
  }) {
    this.#keyOf = options.keyOf;
    this.#sealingKey = options.sealingKey;
  }

  /** @throws InvalidInputError, TrustError when the record or its seal is not right */
  open(entry: Entry): StoredGroupKey {
    const record = decodeRecord(groupKeyRecordSchema, entry.key, entry.value);
    const groupKey = groupKeySchema.parse(
      openSealed(this.#sealingKey, record.sealedKey, entry.key),
    );
    return {
      epoch: record.epoch,
      groupKey,
      createdAtMs: record.createdAtMs,
      revision: entry.modRevision,
    };
  }

  /** The next epoch's key. It fails when another rotation came first, so no epoch has two keys. */
  planRotation(current: Pick<StoredGroupKey, 'epoch'>, nowMs: number): RotationPlan {
    const groupKey = createGroupKey();
    return this.planKey({ epoch: current.epoch + 1, groupKey, createdAtMs: nowMs }, current.epoch);
  }

  /**
   * The key of an epoch, which need not be the next one; it fails like a rotation.
   * @param before the epoch that it follows
   */
  planKey(next: Omit<StoredGroupKey, 'revision'>, before: Epoch): RotationPlan {
    const { epoch, groupKey, createdAtMs } = next;
    const key = this.#keyOf(epoch);
    const record: GroupKeyRecord = {
      ...{ version: 1, epoch, createdAtMs },
      sealedKey: seal(this.#sealingKey, groupKey, key),
    };
    const forgotten = [before - 1, before].filter((old) => old >= 1 && old <= epoch - keptEpochs);
    return {
      if: [{ key, modRevision: 0 }],
      then: [
        { put: key, value: encodeRecord(record) },
        ...forgotten.map((old) => ({ delete: this.#keyOf(old) })),
      ],
      next,
    };
  }
}
