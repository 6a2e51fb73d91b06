import type { LabMember } from '../../../lab/vpn/lab-member.ts';
import { until } from '../until.ts';

/** IPv4 and ICMP. */
const echoHeaderBytes = 28;
/** The tunnel's MTU where nobody knows of anything narrower than Ethernet. */
const ethernetTunnelMtu = 1_420;
/** A master looks after its interfaces every ten seconds; this is several times that. */
const learningDeadlineMs = 60_000;
const serverTimeoutMs = 60_000;
/** When the sender closes, up to some megabytes of it are still in buffers on the way. */
const streamBytes = 24_000_000;

/**
 * Sends packets that must not be cut up until one of the size arrives and one that is a byte longer
 * is answered by "too long". @throws when that does not come about
 */
export async function untilPathMtu(
  from: LabMember,
  to: LabMember,
  mtuBytes: number,
): Promise<void> {
  await until(
    `packets of ${mtuBytes} bytes and none longer pass from ${from.name} to ${to.name}`,
    async () => {
      // Whoever is to find out a smaller MTU needs a packet that is too long.
      await sendWhole(from, to, ethernetTunnelMtu);
      const fits = await sendWhole(from, to, mtuBytes);
      return fits === 'answered' && (await sendWhole(from, to, mtuBytes + 1)) === mtuBytes;
    },
    learningDeadlineMs,
  );
}

/** @returns the MTU that somebody on the way, or this end's own kernel, told of */
async function sendWhole(
  from: LabMember,
  to: LabMember,
  bytes: number,
): Promise<'answered' | 'silence' | number> {
  const size = String(bytes - echoHeaderBytes);
  const { stdout } = await from.node.run('sh', [
    '-c',
    'ping -n -c 1 -W 1 -M do -s "$0" "$1" 2>&1 || true',
    size,
    to.ipv4,
  ]);
  if (/ 1 received/.test(stdout)) return 'answered';
  // "message too long, mtu=1420" by the own kernel, "Frag needed and DF set (mtu = 1320)" by a router.
  const told = /mtu ?= ?(\d+)/.exec(stdout)?.[1];
  return told === undefined ? 'silence' : Number(told);
}

export interface StreamFigure {
  readonly receivedBytes: number;
  /** The largest that one end sent. */
  readonly segmentBytes: number;
}

interface StreamReport {
  readonly start: { readonly tcp_mss: number } | { readonly tcp_mss_default: number };
  readonly end: { readonly sum_received: { readonly bytes: number } };
}

/** One TCP stream of some megabytes, from one to the other or back. */
export async function sendStream(
  from: LabMember,
  to: LabMember,
  direction: 'forward' | 'reverse',
): Promise<StreamFigure> {
  await using server = await to.node.start('iperf3', [
    ...['--server', '--one-off', '--bind', to.ipv4, '--forceflush'],
  ]);
  await server.waitForOutput(/Server listening/, serverTimeoutMs);
  const { stdout } = await from.node.run(
    'iperf3',
    [
      ...['--client', to.ipv4, '--bytes', String(streamBytes), '--json'],
      ...(direction === 'reverse' ? ['--reverse'] : []),
    ],
    { timeoutMs: serverTimeoutMs },
  );
  const { start, end } = JSON.parse(stdout) as StreamReport;
  const segmentBytes = 'tcp_mss' in start ? start.tcp_mss : start.tcp_mss_default;
  return { receivedBytes: end.sum_received.bytes, segmentBytes };
}
