import type { LabNode } from '../../lab/lab-node.ts';
import { runIperf } from './iperf.ts';

/** Of the member's first Hanse interface; all of a member's have the same. */
export async function tunnelMtuBytes(node: LabNode): Promise<number> {
  const { stdout } = await node.run('ip', ['-j', 'link', 'show']);
  const links = JSON.parse(stdout) as { ifname: string; mtu: number }[];
  const tunnel = links.find(({ ifname }) => ifname.startsWith('hns'));
  if (tunnel) return tunnel.mtu;
  throw new Error(`${node.name} has no interface of Hanse's`);
}

/** One TCP stream for three seconds. @returns Mbit/s that arrived */
export async function measureThroughput(
  from: LabNode,
  to: LabNode,
  address: string,
): Promise<number> {
  const report = (await runIperf(from, to, address)) as {
    end: { sum_received: { bits_per_second: number } };
  };
  return report.end.sum_received.bits_per_second / 1e6;
}
