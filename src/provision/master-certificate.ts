import type { MasterName, VpnName } from '../model/names.ts';
import { type Issuer, issueLeaf } from '../trust/certificate-authority.ts';
import { masterPeriod } from './certificate-lifetimes.ts';
import type { MasterKeys } from './master-keys.ts';

/** A master's certificate in PEM, good from now on, which binds its name and all its keys. */
export function issueMasterCertificate(grant: {
  readonly vpn: VpnName;
  readonly name: MasterName;
  readonly keys: MasterKeys;
  readonly root: Issuer;
  readonly nowMs: number;
}): Promise<string> {
  const { vpn, name, keys, root, nowMs } = grant;
  return issueLeaf({
    identity: { kind: 'master', vpn, name },
    subjectPublicKey: keys.tls,
    wireguardKeys: keys.wireguard,
    issuer: root,
    period: masterPeriod(nowMs),
  });
}
