import {
  AddressingError,
  addressCapacity,
  nextIpv4BlockLength,
  takeIpv4Block,
} from '../../core/addressing.ts';
import type { SubsetName } from '../../model/names.ts';
import type { Prefix } from '../../model/prefix.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import {
  allocationRecordSchema,
  subsetRecordSchema,
  type VpnRecord,
} from '../../model/records/directory.ts';
import { allocationKey, subsetKey } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';

/** A block is added when this share of the places is left, so that joins do not wait for one. */
const spareShare = 1 / 8;

/** Whether the subset should have another IPv4 block soon. */
export function needsBlock(ipv4Blocks: readonly Prefix[], takenCount: number): boolean {
  const capacity = addressCapacity(ipv4Blocks);
  return capacity - takenCount <= Math.max(2, capacity * spareShare);
}

export interface BlockRequest {
  readonly vpn: VpnRecord;
  readonly subset: SubsetName;
  /** How many places of the subset are taken. */
  readonly takenCount: number;
}

/**
 * Adds a block to the subset in the directory, which tells all masters to route it. It may be
 * repeated: whether a block is needed is judged by the store, which is ahead of what the caller has
 * heard of the directory.
 * @returns the block, or undefined when none is needed or the directory changed meanwhile
 * @throws AddressingError `ipv4-exhausted`
 */
export async function addBlock(
  { vpn, subset, takenCount }: BlockRequest,
  store: Store,
): Promise<Prefix | undefined> {
  const [allocationEntry, subsetEntry] = await Promise.all([
    store.get(allocationKey),
    store.get(subsetKey(subset)),
  ]);
  if (!allocationEntry || !subsetEntry) return undefined;
  const record = decodeRecord(subsetRecordSchema, subsetEntry.key, subsetEntry.value);
  if (!needsBlock(record.ipv4Blocks, takenCount)) return undefined;
  const allocation = decodeRecord(
    allocationRecordSchema,
    allocationEntry.key,
    allocationEntry.value,
  );
  const taken = takeLargestBlock(vpn.ipv4, allocation, nextIpv4BlockLength(record.ipv4Blocks));
  const result = await store.transact({
    if: [allocationEntry, subsetEntry].map(({ key, modRevision }) => ({ key, modRevision })),
    then: [
      { put: allocationKey, value: encodeRecord(taken.allocation) },
      {
        put: subsetEntry.key,
        value: encodeRecord({ ...record, ipv4Blocks: [...record.ipv4Blocks, taken.block] }),
      },
    ],
  });
  return result.succeeded ? taken.block : undefined;
}

/** As large as wanted, or what is left in the VPN's prefix. */
function takeLargestBlock(
  vpnIpv4: Prefix,
  allocation: Parameters<typeof takeIpv4Block>[1],
  wantedLength: number,
): ReturnType<typeof takeIpv4Block> {
  for (let length = wantedLength; length < 30; length += 1) {
    try {
      return takeIpv4Block(vpnIpv4, allocation, length);
    } catch (error) {
      if (!(error instanceof AddressingError)) throw error;
    }
  }
  return takeIpv4Block(vpnIpv4, allocation, 30);
}
