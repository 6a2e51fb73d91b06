import type { MasterName, SubsetName, VpnName } from '../model/names.ts';
import { type AuthorityRecord, encodeRecord } from '../model/records.ts';
import { authorityKey } from '../store/keys.ts';
import type { Operation } from '../store/store.ts';
import { type Issuer, issueIntermediate } from '../trust/certificate-authority.ts';
import { type SealingKey, seal } from '../trust/sealing.ts';
import { intermediatePeriod } from './certificate-lifetimes.ts';

/** For which subset authorities are issued, and with what. */
export interface AuthorityGrant {
  readonly vpn: VpnName;
  readonly subset: SubsetName;
  readonly root: Issuer;
  readonly sealingKey: SealingKey;
  readonly nowMs: number;
}

/** Puts a new right of the master to admit members to the subset into the subset's roll. */
export async function grantAuthority(
  master: MasterName,
  { vpn, subset, root, sealingKey, nowMs }: AuthorityGrant,
): Promise<Operation> {
  const period = intermediatePeriod(nowMs);
  const credentials = await issueIntermediate({ vpn, subset, master, root, period });
  const key = authorityKey(subset, master);
  const record: AuthorityRecord = {
    version: 1,
    master,
    subset,
    certificate: credentials.certificatePem,
    sealedKey: seal(sealingKey, credentials.privateKeyPem, key),
  };
  return { put: key, value: encodeRecord(record) };
}
