import type { LabNode } from '../../lab/lab-node.ts';
import { runIperf } from './iperf.ts';

/** Datagrams of 64 bytes for three seconds, as many as can be sent. @returns how many arrived in a second */
export async function measureSmallPackets(
  from: LabNode,
  to: LabNode,
  address: string,
): Promise<number> {
  const flood = ['--udp', '--bitrate', '0', '--length', '64'];
  const report = (await runIperf(from, to, address, flood)) as {
    end: { sum: { packets: number; lost_packets: number; seconds: number } };
  };
  const { packets, lost_packets: lost, seconds } = report.end.sum;
  return (packets - lost) / seconds;
}
