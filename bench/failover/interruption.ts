import { setTimeout as delay } from 'node:timers/promises';
import { monotonicMs, type PacketStream, type StreamResult } from '../../lab/packet-stream.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import { type FailoverBed, failing } from './failover-bed.ts';
import type { Failure } from './failures.ts';

/** One failure of the acting master, as its members and an operator saw it. */
export interface Interruption {
  /** Between subsets, there and back; 0 when nothing was lost. */
  readonly betweenGapMs: number;
  /** Between two members of the subset, through its masters. */
  readonly withinGapMs: number;
  /** Until an operator's first change was accepted. */
  readonly changedAfterMs: number;
}

/** Before the strike, for the streams to be steady; and after the change, for what comes late. */
const calmMs = 1_000;

/** Strikes the acting master while packets flow, and mends it afterwards. */
export async function interrupt(bed: FailoverBed, failure: Failure): Promise<Interruption> {
  const { strike, mend } = await failure.aim(await bed.acting(), bed);
  const streams = await startStreams(bed);
  await delay(calmMs);
  const struckMs = monotonicMs();
  const struck = strike();
  await bed.hanseUntilDone(['invite', 'create', '--subset', failing]);
  const changedAfterMs = monotonicMs() - struckMs;
  await struck;
  await delay(calmMs);
  const [between, within] = await Promise.all(streams.map((stream) => stream.stop()));
  await mend();
  await bed.warm();
  return { betweenGapMs: gapOf(between), withinGapMs: gapOf(within), changedAfterMs };
}

/** Between subsets, and within the failing one. */
export function startStreams({ members }: FailoverBed): Promise<PacketStream[]> {
  const { near, neighbour, far } = members;
  return Promise.all([startMemberStream(near, far), startMemberStream(near, neighbour)]);
}

function gapOf(result: StreamResult | undefined): number {
  if (!result) throw new Error('a stream has no result');
  return result.lost.length === 0 ? 0 : result.longestGap.lengthMs;
}
