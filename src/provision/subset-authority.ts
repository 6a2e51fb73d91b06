import { bindsAll } from '../core/address-binding.ts';
import { subsetIpv6Block } from '../core/addressing.ts';
import { blocksOf } from '../core/gateway-plan.ts';
import type { MasterName, SubsetName } from '../model/names.ts';
import { prefixesOverlap } from '../model/prefix.ts';
import { encodeRecord } from '../model/records/codec.ts';
import type { SubsetRecord, VpnRecord } from '../model/records/directory.ts';
import type { AuthorityRecord } from '../model/records/roll.ts';
import { authorityKey } from '../store/keys.ts';
import type { Operation } from '../store/store.ts';
import { blocksOfAuthority } from '../trust/authority-certificate.ts';
import { type Issuer, issueIntermediate } from '../trust/certificate-authority.ts';
import { openSealed, type SealingKey, seal } from '../trust/sealing.ts';
import { intermediatePeriod } from './certificate-lifetimes.ts';
import { ProvisionError } from './provision-error.ts';

/** For which subset authorities are issued, and with what. */
export interface AuthorityGrant {
  readonly vpn: VpnRecord;
  readonly subset: SubsetRecord;
  /** All that the directory has, with or without that one: the root binds no block to two of them. */
  readonly subsets: readonly SubsetRecord[];
  readonly root: Issuer;
  readonly sealingKey: SealingKey;
  readonly nowMs: number;
}

/**
 * Puts a right of the master to admit members to the subset, at the addresses of the subset's blocks
 * as they are now, into the subset's roll.
 * @param before the one that the master has: the new one has the same key, so that invites stay good
 * @throws ProvisionError `overlap`; TrustError when `before` cannot be read, or its seal does not open
 */
export async function grantAuthority(
  master: MasterName,
  grant: AuthorityGrant,
  before?: AuthorityRecord,
): Promise<Operation> {
  requireOwnBlocks(grant);
  return issueAuthority(master, grant, before);
}

/** The same for several masters that have none. @throws ProvisionError `overlap` */
export async function grantAuthorities(
  masters: readonly MasterName[],
  grant: AuthorityGrant,
): Promise<readonly Operation[]> {
  if (masters.length > 0) requireOwnBlocks(grant);
  return Promise.all(masters.map((master) => issueAuthority(master, grant)));
}

async function issueAuthority(
  master: MasterName,
  { vpn, subset, root, sealingKey, nowMs }: AuthorityGrant,
  before?: AuthorityRecord,
): Promise<Operation> {
  requireKeptBlocks(subset, before);
  const key = authorityKey(subset.name, master);
  const credentials = await issueIntermediate({
    ...{ vpn: vpn.name, subset: subset.name, master, blocks: subset, root },
    period: intermediatePeriod(nowMs),
    ...(before ? { privateKeyPem: openSealed(sealingKey, before.sealedKey, key) } : {}),
  });
  const record: AuthorityRecord = {
    version: 1,
    master,
    subset: subset.name,
    certificate: credentials.certificatePem,
    sealedKey: seal(sealingKey, credentials.privateKeyPem, key),
  };
  return { put: key, value: encodeRecord(record) };
}

/** Whoever writes the directory would else have the root sign that one subset has the addresses of another. */
function requireOwnBlocks({ vpn, subset, subsets }: AuthorityGrant): void {
  const { name, index, ipv6Block, ipv4Blocks } = subset;
  if (ipv6Block !== subsetIpv6Block(vpn.ipv6, index)) {
    throw overlap(name, `${ipv6Block} is not the IPv6 block of ${name}, by its index ${index}`);
  }
  const blocks = [ipv6Block, ...ipv4Blocks];
  for (const other of subsets) {
    if (other.name === name) continue;
    const theirs = blocksOf(other);
    const common = blocks.find((block) => theirs.some((their) => prefixesOverlap(block, their)));
    if (common === undefined) continue;
    throw overlap(name, `${common} of ${name} overlaps a block of ${other.name}`);
  }
}

/** Blocks are added and never moved: members have addresses of them. */
function requireKeptBlocks(subset: SubsetRecord, before: AuthorityRecord | undefined): void {
  const bound = before && blocksOfAuthority(before.certificate);
  if (bound === undefined || bindsAll(subset, bound)) return;
  throw overlap(subset.name, `${subset.name} has lost a block that its members have addresses of`);
}

function overlap(name: SubsetName, problem: string): ProvisionError {
  return new ProvisionError(
    `the directory is damaged, or somebody has tampered with it: ${problem}; nothing was signed for ${name}`,
    { code: 'overlap', fields: { name } },
  );
}
