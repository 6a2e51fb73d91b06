import type { Address } from '../model/prefix.ts';
import { addressIndexOf, type Blocks } from './addressing.ts';

/** The two addresses of a member. */
export interface AddressPair {
  readonly ipv4: Address;
  readonly ipv6: Address;
}

/** What the chain of a member's certificate says of addresses; each is absent from one of an earlier version. */
export interface Binding {
  /** By the leaf, which its subset's authority signed. */
  readonly addresses?: AddressPair;
  /** By that authority, which the root signed: the blocks that the subset had then. */
  readonly blocks?: Blocks;
}

/**
 * Why a master's word for a member's addresses is not to be taken where masters must be able to read
 * nothing: all of it has to be proved up to the root. Blocks of different subsets do not overlap, so
 * no authority can prove an address that another subset's members have.
 * @returns undefined when it is proved
 */
export function unprovedAddresses(told: AddressPair, binding: Binding): string | undefined {
  const { addresses, blocks } = binding;
  if (!addresses) return 'its certificate binds no addresses';
  if (!blocks) return 'the authority of its subset binds no address blocks';
  const contradiction = contradictedAddresses(told, binding);
  if (contradiction !== undefined) return contradiction;
  const place = addressIndexOf(blocks, addresses.ipv4);
  const isInBlocks = place !== undefined && place === addressIndexOf(blocks, addresses.ipv6);
  return isInBlocks
    ? undefined
    : 'its addresses are not of the blocks that the root gave its subset';
}

/**
 * Why they are wrong, where masters forward packets openly: a certificate of an earlier version says
 * nothing, and IPv4 blocks grow without the root.
 * @returns undefined when nothing speaks against them
 */
export function contradictedAddresses(
  told: AddressPair,
  { addresses }: Binding,
): string | undefined {
  if (!addresses) return undefined;
  const isTold = told.ipv4 === addresses.ipv4 && told.ipv6 === addresses.ipv6;
  return isTold ? undefined : 'its addresses are not those of its certificate';
}

/**
 * The blocks of a subset out of which members can prove their addresses, whichever of its masters
 * certifies them: from the first one on, as far as all of these authorities bind them.
 * @param bound by the authority of each master that serves the subset, if it binds any; all blocks if there is none, since nobody proves anything then
 */
export function provableBlocks(
  { ipv6Block, ipv4Blocks }: Blocks,
  bound: readonly Blocks[],
): Blocks {
  const first = ipv4Blocks.findIndex((block, ordinal) =>
    bound.some((blocks) => blocks.ipv4Blocks[ordinal] !== block),
  );
  return { ipv6Block, ipv4Blocks: first < 0 ? ipv4Blocks : ipv4Blocks.slice(0, first) };
}

/** Whether members at all places of these blocks can prove their addresses by the authority's. */
export function bindsAll(bound: Blocks | undefined, { ipv6Block, ipv4Blocks }: Blocks): boolean {
  return (
    bound?.ipv6Block === ipv6Block &&
    ipv4Blocks.every((block, ordinal) => bound.ipv4Blocks[ordinal] === block)
  );
}
