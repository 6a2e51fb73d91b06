import type { ApiCredentials } from '../../src/api/client/operator-profile.ts';
import { type Endpoint, hostOf, portOf } from '../../src/model/endpoint.ts';
import { dnsNameOf, type MasterName, type VpnName } from '../../src/model/names.ts';

/** A master's control endpoint. */
export interface MasterTarget {
  readonly host: string;
  readonly port: number;
  /** The name that the master must prove. */
  readonly dnsName: string;
}

/** Where members join, and whom they trust. */
export interface CrowdTarget {
  /** At least one; they are tried in turn. */
  readonly masters: readonly MasterTarget[];
  /** PEM */
  readonly rootCertificate: string;
}

/** @throws Error when the profile lacks one of the masters */
export function targetOf(
  { vpn, masters, rootCertificate }: Pick<ApiCredentials, 'vpn' | 'masters' | 'rootCertificate'>,
  names: readonly string[],
): CrowdTarget {
  const targets = names.map((name) => {
    const master = masters.find((candidate) => candidate.name === name);
    if (!master) throw new Error(`the VPN has no master ${name}`);
    return masterTargetOf(vpn, master);
  });
  return { masters: targets, rootCertificate };
}

export function masterTargetOf(
  vpn: VpnName,
  { name, control }: { readonly name: MasterName; readonly control: Endpoint },
): MasterTarget {
  const dnsName = dnsNameOf({ kind: 'master', vpn, name });
  return { host: hostOf(control), port: portOf(control), dnsName };
}
