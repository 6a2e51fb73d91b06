import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import { untilPath } from './direct-path.ts';

/** What became of two members that had not talked before. */
export interface FirstPackets {
  readonly isDirect: boolean;
  /** From the first packet until the later one of the two ends sends directly, or has given up. */
  readonly afterMs: number;
  /** Of packets to the other end and back, one every 5 ms, until then and some more. */
  readonly lost: number;
  readonly sent: number;
}

/** Has them talk until both know whether there is a direct path. */
export async function talkFirst(from: LabMember, to: LabMember): Promise<FirstPackets> {
  const stream = await startMemberStream(from, to, { family: 'ipv6' });
  const ends = await Promise.all([
    untilPath(from, to, ['direct', 'failed']),
    untilPath(to, from, ['direct', 'failed']),
  ]);
  const { sentAtMs, lost } = await stream.stop();
  const laterMs = Math.max(...ends.map(({ sinceMs }) => sinceMs));
  return {
    isDirect: ends.every(({ state }) => state === 'direct'),
    afterMs: laterMs - (sentAtMs[0] ?? 0),
    lost: lost.length,
    sent: sentAtMs.length,
  };
}
