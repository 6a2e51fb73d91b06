import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KnownMaster, OperatorProfile } from '../../src/api/client/operator-profile.ts';
import type { Endpoint } from '../../src/model/endpoint.ts';
import type { MasterName, OperatorName, VpnName } from '../../src/model/names.ts';
import {
  createIssuer,
  createRoot,
  type Issuer,
  issueLeaf,
} from '../../src/trust/certificate-authority.ts';

export interface TestCredentials {
  readonly certificate: string;
  readonly key: string;
}

/** A VPN's root, and what it issues, for tests of connections. */
export class TestVpn {
  readonly name: VpnName;
  readonly root: Issuer;

  private constructor(name: VpnName, root: Issuer) {
    this.name = name;
    this.root = root;
  }

  static async create(name = 'corp'): Promise<TestVpn> {
    const vpn = name as VpnName;
    return new TestVpn(vpn, createIssuer(await createRoot({ vpn, period: period(2) })));
  }

  master(name: string): Promise<TestCredentials> {
    return this.#issue({ kind: 'master', vpn: this.name, name: name as MasterName });
  }

  async profile(masters: readonly KnownMaster[]): Promise<OperatorProfile> {
    const operator = 'ada' as OperatorName;
    const credentials = await this.#issue({ kind: 'operator', vpn: this.name, name: operator });
    return {
      vpn: this.name,
      operator,
      masters: [...masters],
      rootCertificate: this.root.certificatePem,
      certificateChain: credentials.certificate,
      privateKey: credentials.key,
    };
  }

  async #issue(identity: Parameters<typeof issueLeaf>[0]['identity']): Promise<TestCredentials> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const certificate = await issueLeaf({
      identity,
      subjectPublicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
      wireguardKeys: {},
      issuer: this.root,
      period: period(1),
    });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { certificate, key };
  }
}

/** What a directory says of the VPN itself. */
export function vpnView(createdAtMs: number) {
  return {
    name: 'corp',
    id: '0123abcd',
    prefixes: ['100.64.0.0/10', 'fd00:1:2::/48'],
    keying: 'per-subset',
    lifetimes: {
      certificateMs: 21_600_000,
      keyRotationMs: 86_400_000,
      absenceMs: 2_592_000_000,
      settleMs: 60_000,
    },
    createdAtMs,
  };
}

export function knownMaster(name: string, port: number): KnownMaster {
  return { name: name as MasterName, control: `127.0.0.1:${port}` as Endpoint };
}

function period(hours: number) {
  return { fromMs: Date.now(), untilMs: Date.now() + hours * 3_600_000 };
}
