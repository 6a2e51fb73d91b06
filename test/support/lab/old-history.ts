import { parseSubsetName } from '../../../src/model/names.ts';
import { encodeRecord } from '../../../src/model/records/codec.ts';
import { auditKey } from '../../../src/store/keys.ts';
import { openStore } from '../../../src/store/open-store.ts';

const entriesPerTransaction = 100;

/** What a VPN of many years has most of, for its subset north. */
export async function fillWithHistory(storeUrl: string, auditEntries: number): Promise<void> {
  await using store = await openStore(storeUrl);
  const north = parseSubsetName('north');
  for (let start = 0; start < auditEntries; start += entriesPerTransaction) {
    const then = Array.from({ length: entriesPerTransaction }, (_, index) => {
      const atMs = start + index;
      const record = {
        ...{ version: 1, atMs, action: 'key-rotated', actor: 'master:north-1' },
        ...{ master: 'north-1', subset: north, subject: north, epoch: 1 },
      };
      return { put: auditKey(north, atMs, 'old'), value: encodeRecord(record) };
    });
    await store.transact({ if: [], then });
  }
}
