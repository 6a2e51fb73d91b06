import { join } from 'node:path';
import type { EtcdCertificates } from './etcd-certificates.ts';

export interface MemberPlan {
  readonly name: string;
  /** Of its own, so that the ports can be etcd's usual ones. */
  readonly address: string;
  readonly dataDirectory: string;
}

export interface ClusterSettings {
  /** `fast`: another leader within a second, for tests that are not about the time this takes. */
  readonly tuning?: 'default' | 'fast';
  readonly quotaBackendBytes?: number;
  /** Clients must use TLS with a certificate of this authority; members among themselves do not. */
  readonly tls?: EtcdCertificates;
  /** How long a token for a user lasts; etcd's default is 300. */
  readonly tokenTtlSeconds?: number;
  /** Its processes may die, but not the machine: so that a slow disk is not what a test looks at. */
  readonly withoutFsync?: boolean;
}

export const clientPort = 2379;
const peerPort = 2380;

export function memberArguments(
  member: MemberPlan,
  all: readonly MemberPlan[],
  { tuning = 'default', quotaBackendBytes, tls, tokenTtlSeconds, withoutFsync }: ClusterSettings,
): readonly string[] {
  const client = `${tls ? 'https' : 'http'}://${member.address}:${clientPort}`;
  return [
    ...['--name', member.name, '--data-dir', member.dataDirectory],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peerUrl(member), '--initial-advertise-peer-urls', peerUrl(member)],
    ...['--initial-cluster', all.map((each) => `${each.name}=${peerUrl(each)}`).join(',')],
    ...(tuning === 'fast' ? ['--heartbeat-interval', '50', '--election-timeout', '500'] : []),
    ...(quotaBackendBytes ? ['--quota-backend-bytes', String(quotaBackendBytes)] : []),
    ...(tls ? ['--cert-file', tls.server.cert, '--key-file', tls.server.key] : []),
    ...(tls ? ['--trusted-ca-file', tls.ca, '--client-cert-auth'] : []),
    ...(withoutFsync ? ['--unsafe-no-fsync'] : []),
    ...(tokenTtlSeconds ? ['--auth-token-ttl', String(tokenTtlSeconds)] : []),
  ];
}

export function planMembers(addresses: readonly string[], directory: string): MemberPlan[] {
  return addresses.map((address, index) => {
    const name = `etcd-${index + 1}`;
    return { name, address, dataDirectory: join(directory, name) };
  });
}

function peerUrl({ address }: MemberPlan): string {
  return `http://${address}:${peerPort}`;
}
