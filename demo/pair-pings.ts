import type { LabNode } from '../lab/lab-node.ts';
import type { LabMember } from '../lab/vpn/lab-member.ts';

export interface PairFigure {
  readonly from: string;
  readonly to: string;
  /** Median of three, over IPv4; absent when nothing came back. */
  readonly ipv4Ms?: number;
  readonly ipv6Ms?: number;
  /** The masters on the way, as packets with a short life found them. */
  readonly path: readonly string[];
}

/** No packet of the demo passes more masters. */
const longestPath = 4;

/** Linux answers one dead packet a second and sender; this traces more than that. */
export async function allowTracing(master: LabNode): Promise<void> {
  await master.run('sh', ['-c', 'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit']);
}

/**
 * Pings between two members, and traces the way.
 * @param masterByAddress who answers from which address inside the VPN
 */
export async function pingPair(
  from: LabMember,
  to: LabMember,
  masterByAddress: ReadonlyMap<string, string>,
): Promise<PairFigure> {
  const [ipv4Ms, ipv6Ms, path] = await Promise.all([
    medianPing(from, to.ipv4),
    medianPing(from, to.ipv6),
    tracePath(from, to.ipv4, masterByAddress),
  ]);
  return {
    from: from.name,
    to: to.name,
    ...(ipv4Ms === undefined ? {} : { ipv4Ms }),
    ...(ipv6Ms === undefined ? {} : { ipv6Ms }),
    path,
  };
}

async function medianPing(from: LabMember, address: string): Promise<number | undefined> {
  const { roundTripsMs } = await from.node.ping(address, { count: 3, timeoutMs: 2_000 });
  return roundTripsMs.toSorted((a, b) => a - b)[Math.floor(roundTripsMs.length / 2)];
}

/** Each hop tells of the packet that died at it (RFC 792, time exceeded). */
async function tracePath(
  from: LabMember,
  address: string,
  masterByAddress: ReadonlyMap<string, string>,
): Promise<string[]> {
  const path: string[] = [];
  for (let hops = 1; hops <= longestPath; hops += 1) {
    const line = ['-c', 'ping -n -c 1 -W 1 -t "$0" "$1" || true', String(hops), address];
    const { stdout } = await from.node.run('sh', line);
    const dead = /^From (\S+?):? icmp_seq=\d+ Time to live exceeded/m.exec(stdout)?.[1];
    if (!dead) break;
    path.push(masterByAddress.get(dead) ?? dead);
  }
  return path;
}
