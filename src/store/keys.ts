import type {
  MasterName,
  MemberName,
  OperatorName,
  RegionName,
  SubsetName,
} from '../model/names.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import type { Epoch } from '../model/wireguard-key.ts';

/*
 * Every key of the store. A prefix, once used, is never used again for anything else.
 *
 * directory/…      what all masters watch; small and slow
 * audit/…          what operators have changed for the whole VPN; nobody watches it
 * roll/SUBSET/…    what only the subset's acting master and its backups watch
 * region/…         of a store that holds the rolls of one region: which one
 * move/…           of the commands that read or write a whole store; of no VPN
 */
export const directoryPrefix = 'directory/';
export const vpnKey = 'directory/vpn';
export const allocationKey = 'directory/allocation';
export const masterPrefix = 'directory/master/';
export const subsetPrefix = 'directory/subset/';
export const backboneKeyPrefix = 'directory/backbone-key/';
export const keyingKey = 'directory/keying';
export const sharedKeyKey = 'directory/shared-key';
export const placementPolicyKey = 'directory/placement-policy';

export const regionPrefix = 'directory/region/';
export const actingPrefix = 'directory/acting/';
export const drainPrefix = 'directory/drain/';
export const operatorPrefix = 'directory/operator/';
export const regionKey = (region: RegionName): string => `${regionPrefix}${region}`;
export const actingKey = (subset: SubsetName): string => `${actingPrefix}${subset}`;
export const drainKey = (master: MasterName): string => `${drainPrefix}${master}`;
export const operatorKey = (operator: OperatorName): string => `${operatorPrefix}${operator}`;
export const masterKey = (master: MasterName): string => `${masterPrefix}${master}`;
export const subsetKey = (subset: SubsetName): string => `${subsetPrefix}${subset}`;
export const backboneKeyKey = (epoch: Epoch): string => `${backboneKeyPrefix}${padded(epoch)}`;

export const rollPrefix = (subset: SubsetName): string => `roll/${subset}/`;
export const leaseKey = (subset: SubsetName): string => `roll/${subset}/lease`;
export const authorityPrefix = (subset: SubsetName): string => `roll/${subset}/authority/`;
export const authorityKey = (subset: SubsetName, master: MasterName): string =>
  `${authorityPrefix(subset)}${master}`;
export const restoredKey = (subset: SubsetName): string => `roll/${subset}/restored`;
export const memberPrefix = (subset: SubsetName): string => `roll/${subset}/member/`;
export const memberKey = (subset: SubsetName, name: MemberName): string =>
  `${memberPrefix(subset)}${name}`;
export const banPrefix = (subset: SubsetName): string => `roll/${subset}/ban/`;
export const banKey = (subset: SubsetName, identity: IdentityKey): string =>
  `${banPrefix(subset)}${identity}`;
export const invitePrefix = (subset: SubsetName): string => `roll/${subset}/invite/`;
export const inviteKey = (subset: SubsetName, id: string): string => `${invitePrefix(subset)}${id}`;
export const inviteUsePrefix = (subset: SubsetName): string => `roll/${subset}/invite-use/`;
export const inviteUseKey = (subset: SubsetName, id: string, use: number): string =>
  `${inviteUsePrefix(subset)}${id}/${use}`;
export const placementPrefix = (subset: SubsetName): string => `roll/${subset}/placement/`;
export const placementKey = (subset: SubsetName, inviteId: string, identity: IdentityKey): string =>
  `${placementPrefix(subset)}${inviteId}/${identity}`;
export const subsetKeyPrefix = (subset: SubsetName): string => `roll/${subset}/key/`;
export const subsetKeyKey = (subset: SubsetName, epoch: Epoch): string =>
  `${subsetKeyPrefix(subset)}${padded(epoch)}`;
export const auditPrefix = (subset: SubsetName): string => `roll/${subset}/audit/`;

export const failoverPrefix = (subset: SubsetName): string => `roll/${subset}/failover/`;
/** Sorts by time; the id keeps two records of one millisecond apart. */
export const failoverKey = (subset: SubsetName, atMs: number, id: string): string =>
  `${failoverPrefix(subset)}${String(atMs).padStart(15, '0')}-${id}`;

/** In the store of a region only: whose it is. */
export const regionIdentityKey = 'region/identity';

export const movePrefix = 'move/';
/** A copy or a restoration into this store that has not come to its end. */
export const moveStateKey = 'move/state';
/** Written by whoever reads a whole store, to know that a watch has delivered all before it. */
export const moveBarrierKey = (id: string): string => `move/barrier/${id}`;

/** Keys sort as their numbers do. */
function padded(epoch: Epoch): string {
  return String(epoch).padStart(12, '0');
}

export const vpnAuditPrefix = 'audit/';
/** As `auditKey`. */
export const vpnAuditKey = (atMs: number, id: string): string =>
  `${vpnAuditPrefix}${String(atMs).padStart(15, '0')}-${id}`;

/** Sorts by time; the id keeps two records of one millisecond apart. */
export const auditKey = (subset: SubsetName, atMs: number, id: string): string =>
  `${auditPrefix(subset)}${String(atMs).padStart(15, '0')}-${id}`;
