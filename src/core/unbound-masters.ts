import type { MasterName, SubsetName } from '../model/names.ts';

/** A subset, and those of its masters by whose certificates not all of its addresses could be proved. */
export interface UnboundSubset {
  readonly subset: SubsetName;
  /** At least one. */
  readonly masters: readonly MasterName[];
}

/** Of the subsets, those that have unbound masters, in the order of names. */
export function pickUnbound(
  subsets: readonly { readonly subset: SubsetName; readonly masters: readonly MasterName[] }[],
): readonly UnboundSubset[] {
  return subsets
    .filter(({ masters }) => masters.length > 0)
    .toSorted((one, other) => (one.subset < other.subset ? -1 : 1));
}

/** Each once, in the order of names. */
export function mastersToRenew(unbound: readonly UnboundSubset[]): readonly MasterName[] {
  return [...new Set(unbound.flatMap(({ masters }) => masters))].sort();
}

/** Why the keying mode that has members prove their addresses is refused, and what helps. */
export function explainRefusal(unbound: readonly UnboundSubset[]): string {
  return `in this mode members have to prove their addresses, and the certificates of some masters do not bind all addresses of their subsets yet: ${listUnbound(unbound)}; ${renewal(unbound)}, and try again`;
}

/** For whoever looks at the VPN, in whatever mode it is. */
export function explainStanding(unbound: readonly UnboundSubset[]): string {
  if (unbound.length === 0) return 'the certificates of all masters bind all addresses';
  return `the certificates of some masters do not bind all addresses of their subsets yet: ${listUnbound(unbound)}; before they do, the VPN cannot go to the keying mode shared, and while it is in that mode nobody gets an address that they do not bind; ${renewal(unbound)}`;
}

function listUnbound(unbound: readonly UnboundSubset[]): string {
  return unbound.map(({ subset, masters }) => `${subset} (${masters.join(', ')})`).join(', ');
}

function renewal(unbound: readonly UnboundSubset[]): string {
  const commands = mastersToRenew(unbound).map((master) => `\`hanse master renew ${master}\``);
  return `run ${commands.join(', ')} where their files are, which needs the root key, and restart those masters`;
}
