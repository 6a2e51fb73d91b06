import { randomBytes, randomUUID } from 'node:crypto';
import { addressesAt, masterAddressIndex } from '../../src/core/addressing.ts';
import { parseMemberName, parseSubsetName } from '../../src/model/names.ts';
import { decodeRecord, encodeRecord } from '../../src/model/records/codec.ts';
import { type SubsetRecord, subsetRecordSchema } from '../../src/model/records/directory.ts';
import { identityKeySchema } from '../../src/model/records/parts.ts';
import { type MemberRecord, memberRecordSchema } from '../../src/model/records/roll.ts';
import { wireguardPublicKeySchema } from '../../src/model/wireguard-key.ts';
import { memberKey, subsetKey } from '../../src/store/keys.ts';
import type { Store } from '../../src/store/store.ts';

/** As many as every store takes. */
const operationsPerTransaction = 100;
const certificateMs = 6 * 3_600_000;

/**
 * Writes members into a subset's roll as their joins would have, for figures that are about
 * something else than joining. The subset's master must not be running.
 */
export async function writeRoll(store: Store, subset: string, count: number): Promise<void> {
  const key = subsetKey(parseSubsetName(subset));
  const entry = await store.get(key);
  if (!entry) throw new Error(`the store has no subset ${subset}`);
  const record = decodeRecord(subsetRecordSchema, key, entry.value);
  const nowMs = Date.now();
  for (let first = 0; first < count; first += operationsPerTransaction) {
    const length = Math.min(operationsPerTransaction, count - first);
    const members = Array.from({ length }, (_, index) => memberOf(record, first + index, nowMs));
    await store.transact({
      if: [],
      then: members.map((member) => ({
        put: memberKey(member.subset, member.name),
        value: encodeRecord(member),
      })),
    });
  }
}

/** Nobody has the private keys: these members never come. */
function memberOf(subset: SubsetRecord, place: number, nowMs: number): MemberRecord {
  const addressIndex = masterAddressIndex + 1 + place;
  return memberRecordSchema.parse({
    version: 1,
    name: parseMemberName(`absent-${place}`),
    subset: subset.name,
    state: 'active',
    identityKey: identityKeySchema.parse(randomBytes(32).toString('base64url')),
    keys: { acting: wireguardPublicKeySchema.parse(randomBytes(32).toString('base64')) },
    addressIndex,
    ...addressesAt(subset, addressIndex),
    inviteId: randomUUID(),
    joinedAtMs: nowMs,
    certificateEndsAtMs: nowMs + certificateMs,
    alsoIn: [],
  } satisfies MemberRecord);
}
