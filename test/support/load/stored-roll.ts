import { parseSubsetName } from '../../../src/model/names.ts';
import { type AuditRecord, auditRecordSchema } from '../../../src/model/records/audit.ts';
import { decodeRecord } from '../../../src/model/records/codec.ts';
import { type MemberRecord, memberRecordSchema } from '../../../src/model/records/roll.ts';
import { auditPrefix, inviteUsePrefix, memberPrefix } from '../../../src/store/keys.ts';
import { openStore } from '../../../src/store/open-store.ts';

/** What the store holds of a subset. */
export interface StoredRoll {
  /** In whatever state, by name. */
  readonly members: ReadonlyMap<string, MemberRecord>;
  readonly audit: readonly AuditRecord[];
  /** One identity key per use of an invite. */
  readonly inviteUses: readonly string[];
}

/** @param storeUrl as `openStore` takes it */
export async function readRoll(storeUrl: string, subsetName: string): Promise<StoredRoll> {
  const subset = parseSubsetName(subsetName);
  await using store = await openStore(storeUrl);
  const [members, audit, uses] = await Promise.all(
    [memberPrefix, auditPrefix, inviteUsePrefix].map((prefix) => store.range(prefix(subset))),
  );
  const records = (members?.entries ?? []).map(({ key, value }) =>
    decodeRecord(memberRecordSchema, key, value),
  );
  return {
    members: new Map(records.map((record) => [record.name, record])),
    audit: (audit?.entries ?? []).map(({ key, value }) =>
      decodeRecord(auditRecordSchema, key, value),
    ),
    inviteUses: (uses?.entries ?? []).map(({ value }) => Buffer.from(value).toString('utf8')),
  };
}
