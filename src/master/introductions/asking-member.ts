import type { MemberPresence } from '../../api/path-endpoints.ts';
import type { MasterName } from '../../model/names.ts';
import type { Address } from '../../model/prefix.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Directory } from '../directory/directory.ts';
import { MasterError } from '../master-error.ts';
import type { ServedSubset } from '../subset/served-subset.ts';
import type { OtherMasters, Stranger } from './other-masters.ts';
import type { MemberPlace, Whereabouts } from './whereabouts.ts';

export interface AskingMemberDependencies {
  readonly directory: Pick<Directory, 'isServing'>;
  readonly whereabouts: Whereabouts;
}

/** @throws MasterError `refused` where subsets have keys of their own */
export function requireOneKey({ keyingPhase }: Pick<Directory, 'keyingPhase'>): void {
  if (keyingPhase !== 'per-subset') return;
  throw new MasterError('members of different subsets have no key in common in this VPN', {
    code: 'refused',
  });
}

/** The member of the subset that is asked for. @throws MasterError `no-such-member` */
export function memberAt(
  { subset }: ServedSubset,
  address: Address,
  whereabouts: Whereabouts,
): MemberRecord {
  const place = whereabouts.placeAt(address);
  const member = place?.subset.name === subset ? whereabouts.memberAt(place) : undefined;
  if (member) return member;
  throw new MasterError(`no member of ${subset} has the address ${address}`, {
    code: 'no-such-member',
    fields: { address, subset },
  });
}

/**
 * The place of the member for which another master asks. Costs nothing.
 * @param from the master that asks
 * @throws MasterError `refused` unless that one serves the subset whose place it is
 */
export function placeOfAsking(
  { ipv6 }: MemberPresence,
  from: MasterName,
  { whereabouts, directory }: AskingMemberDependencies,
): MemberPlace {
  const place = whereabouts.placeAt(ipv6);
  if (place?.ipv6 === ipv6 && directory.isServing(from, place.subset.name)) return place;
  throw new MasterError(`${from} has no member at ${ipv6}`, { code: 'refused' });
}

/**
 * Who that member is, by its certificate.
 * @throws MasterError `refused` when the certificate does not hold, or not for this place
 */
export async function identifyAsking(
  member: MemberPresence,
  { subset, ipv4 }: MemberPlace,
  others: OtherMasters,
): Promise<Stranger> {
  const stranger = await others.identify(member);
  if (stranger.subset === subset.name && stranger.ipv4 === ipv4) return stranger;
  throw new MasterError(`${stranger.name} of ${stranger.subset} cannot be at ${member.ipv6}`, {
    code: 'refused',
  });
}
