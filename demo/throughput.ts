import type { LabMember } from '../lab/vpn/lab-member.ts';

const seconds = 3;
const startTimeoutMs = 5_000;

/** One TCP stream between two members. @returns Mbit/s that arrived */
export async function measureThroughput(from: LabMember, to: LabMember): Promise<number> {
  await using server = await to.node.start('iperf3', [
    '--server',
    '--one-off',
    '--bind',
    to.ipv4,
    '--forceflush',
  ]);
  await server.waitForOutput(/Server listening/, startTimeoutMs);
  const { stdout } = await from.node.run('iperf3', [
    '--client',
    to.ipv4,
    '--time',
    String(seconds),
    '--json',
  ]);
  const report = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } };
  return Math.round(report.end.sum_received.bits_per_second / 1e6);
}
