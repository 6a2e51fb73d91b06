import type { OperatorName, VpnName } from '../model/names.ts';
import { type Issuer, issueLeaf } from '../trust/certificate-authority.ts';
import { operatorPeriod } from './certificate-lifetimes.ts';

/** An operator's certificate in PEM, good from now on. @param spki of its key, in DER */
export function issueOperatorCertificate(
  spki: Uint8Array,
  grant: {
    readonly vpn: VpnName;
    readonly name: OperatorName;
    readonly root: Issuer;
    readonly nowMs: number;
  },
): Promise<string> {
  const { vpn, name, root, nowMs } = grant;
  return issueLeaf({
    identity: { kind: 'operator', vpn, name },
    subjectPublicKey: spki,
    wireguardKeys: {},
    issuer: root,
    period: operatorPeriod(nowMs),
  });
}
