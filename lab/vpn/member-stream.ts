import { PacketStream } from '../packet-stream.ts';
import type { LabMember } from './lab-member.ts';

export interface MemberStreamOptions {
  /** IPv4 unless said. */
  readonly family?: 'ipv4' | 'ipv6';
  /** Free at the other one; needed when several streams go there. */
  readonly port?: number;
}

/** Packets from one member to the other's address in the VPN and back; resolves when the first is back. */
export function startMemberStream(
  from: LabMember,
  to: LabMember,
  { family = 'ipv4', port }: MemberStreamOptions = {},
): Promise<PacketStream> {
  const options = port === undefined ? {} : { port };
  return PacketStream.start(from.node, { node: to.node, address: to[family] }, options);
}
