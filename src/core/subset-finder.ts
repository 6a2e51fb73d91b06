import { type Address, familyOf, hostPrefix, prefixBits, prefixSize } from '../model/prefix.ts';
import type { SubsetRecord } from '../model/records/directory.ts';

interface Range {
  readonly first: bigint;
  readonly last: bigint;
  readonly subset: SubsetRecord;
}

/** Finds the subset whose blocks an address is in, however many subsets there are. */
export type SubsetFinder = (address: Address) => SubsetRecord | undefined;

/** @param subsets whose blocks do not overlap */
export function createSubsetFinder(subsets: readonly SubsetRecord[]): SubsetFinder {
  const ranges = {
    4: inOrder(
      subsets.flatMap((subset) => subset.ipv4Blocks.map((block) => rangeOf(subset, block))),
    ),
    6: inOrder(subsets.map((subset) => rangeOf(subset, subset.ipv6Block))),
  };
  return (address) => search(ranges[familyOf(address)], prefixBits(hostPrefix(address)).first);
}

function rangeOf(subset: SubsetRecord, block: SubsetRecord['ipv6Block']): Range {
  const bits = prefixBits(block);
  return { first: bits.first, last: bits.first + prefixSize(bits) - 1n, subset };
}

function inOrder(ranges: readonly Range[]): readonly Range[] {
  return [...ranges].sort((one, other) => (one.first < other.first ? -1 : 1));
}

function search(ranges: readonly Range[], bits: bigint): SubsetRecord | undefined {
  let [low, high] = [0, ranges.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = ranges[middle];
    if (range === undefined || bits < range.first) high = middle - 1;
    else if (bits > range.last) low = middle + 1;
    else return range.subset;
  }
  return undefined;
}
