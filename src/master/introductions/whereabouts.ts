import {
  addressesAt,
  addressIndexOf,
  isSealedAddress,
  unsealedAddress,
} from '../../core/addressing.ts';
import { createSubsetFinder, type SubsetFinder } from '../../core/subset-finder.ts';
import type { SubsetName } from '../../model/names.ts';
import type { Address } from '../../model/prefix.ts';
import type { SubsetRecord } from '../../model/records/directory.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Directory } from '../directory/directory.ts';
import type { ServedSubset } from '../subset/served-subset.ts';

export interface WhereaboutsDependencies {
  readonly directory: Pick<Directory, 'subsetRecords'>;
  readonly subsets: { findServed(subset: SubsetName): ServedSubset | undefined };
}

/** A member's place in the VPN, whoever has it now. */
export interface MemberPlace {
  readonly subset: SubsetRecord;
  /** As `addressesAt` takes it. */
  readonly index: number;
  readonly ipv4: Address;
  readonly ipv6: Address;
}

/** As many as the kernel tells of at once, there and back, in both families. */
const maxRemembered = 262_144;

/**
 * Whose an address is. The same ones come again with every look at who talks, so what is known of an
 * address is kept until the directory changes: reading it costs a hundred times as much.
 */
export class Whereabouts {
  readonly #dependencies: WhereaboutsDependencies;
  readonly #places = new Map<Address, MemberPlace | undefined>();
  #find: SubsetFinder | undefined;

  constructor(dependencies: WhereaboutsDependencies) {
    this.#dependencies = dependencies;
  }

  /** The directory has changed. */
  forget(): void {
    this.#find = undefined;
    this.#places.clear();
  }

  /** @param address a member's own, or the other end of its sealed tunnels */
  placeAt(address: Address): MemberPlace | undefined {
    const known = this.#places.get(address);
    if (known !== undefined || this.#places.has(address)) return known;
    if (this.#places.size >= maxRemembered) this.#places.clear();
    const place = this.#locate(isSealedAddress(address) ? unsealedAddress(address) : address);
    this.#places.set(address, place);
    return place;
  }

  /** The active member at the place; undefined unless its subset is served here. */
  memberAt({ subset, index }: MemberPlace): MemberRecord | undefined {
    const member = this.#dependencies.subsets.findServed(subset.name)?.roll.findByPlace(index);
    return member?.state === 'active' ? member : undefined;
  }

  #locate(address: Address): MemberPlace | undefined {
    this.#find ??= createSubsetFinder(this.#dependencies.directory.subsetRecords());
    const subset = this.#find(address);
    if (!subset) return undefined;
    const index = addressIndexOf(subset, address);
    return index === undefined ? undefined : { subset, index, ...addressesAt(subset, index) };
  }
}
