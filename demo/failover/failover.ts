import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../../lab/lab.ts';
import type { PacketStream } from '../../lab/packet-stream.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import { joinMember } from '../member-joins.ts';
import type { Report } from '../report.ts';
import { failing, flows, joins, vpnSpec } from './scenario.ts';
import { readTimeline, type TimelineEntry, type Witness } from './timeline.ts';

/** For what comes late: gateways linger, members go back to a better master. */
const afterwardsMs = 6_000;
const calmMs = 1_000;
const pollMs = 200;
const returnTimeoutMs = 60_000;

export interface FlowFigure {
  readonly from: string;
  readonly to: string;
  readonly sent: number;
  readonly lost: number;
  /** The longest time without an echo; 0 when nothing was lost. */
  readonly gapMs: number;
}

export interface FailoverFigures {
  readonly failure: {
    readonly flows: readonly FlowFigure[];
    /** Until a backup accepted a change. */
    readonly changedAfterMs: number;
    readonly timeline: readonly TimelineEntry[];
  };
  readonly comeback: {
    readonly flows: readonly FlowFigure[];
    readonly actsAgainAfterMs: number;
    readonly timeline: readonly TimelineEntry[];
  };
}

/** Kills the machine of a master while packets flow, boots it again, and tells who noticed what when. */
export async function runFailover(
  lab: Lab,
  report: Report,
  signal: AbortSignal,
): Promise<FailoverFigures> {
  report.step('creating the VPN; every master is a backup of the two others');
  const vpn = await LabVpn.create(lab, vpnSpec);
  await vpn.startMasters();
  const members = await joinAll(vpn, report, signal);
  await delay(afterwardsMs);
  const failure = await fail(vpn, members, report);
  signal.throwIfAborted();
  const comeback = await comeBack(vpn, members, report);
  return { failure, comeback };
}

async function joinAll(
  vpn: LabVpn,
  report: Report,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LabMember>> {
  report.step('members join');
  const members = new Map<string, LabMember>();
  for (const { host, subset } of joins) {
    signal.throwIfAborted();
    const { member, figure } = await joinMember(vpn, host, subset);
    members.set(host, member);
    report.join(figure);
  }
  return members;
}

async function fail(
  vpn: LabVpn,
  members: ReadonlyMap<string, LabMember>,
  report: Report,
): Promise<FailoverFigures['failure']> {
  report.step(`packets flow every 5 ms; the machine of ${failing.master} dies`);
  const streams = await startStreams(members);
  await delay(calmMs);
  const diedMs = Date.now();
  await vpn.master(failing.master).node.crash();
  await vpn.hanse(['invite', 'create', '--subset', failing.subset], { on: failing.operator });
  const changedAfterMs = Date.now() - diedMs;
  await delay(afterwardsMs);
  const figures = await stopStreams(streams);
  const timeline = await readTimeline(witnessesOf(vpn, members, failing.master), diedMs);
  report.timeline(timeline);
  report.line(`a backup accepted an operator's change after ${changedAfterMs} ms`);
  report.flows(figures);
  return { flows: figures, changedAfterMs, timeline };
}

async function comeBack(
  vpn: LabVpn,
  members: ReadonlyMap<string, LabMember>,
  report: Report,
): Promise<FailoverFigures['comeback']> {
  report.step(`${failing.master} comes back, and gets its subset again when it has settled`);
  const streams = await startStreams(members);
  await delay(calmMs);
  const bootedMs = Date.now();
  await vpn.master(failing.master).startAsBackup();
  await actsAgain(vpn);
  const actsAgainAfterMs = Date.now() - bootedMs;
  await delay(afterwardsMs);
  const figures = await stopStreams(streams);
  const timeline = await readTimeline(witnessesOf(vpn, members), bootedMs);
  report.timeline(timeline);
  report.flows(figures);
  return { flows: figures, actsAgainAfterMs, timeline };
}

/** @throws Error when the subset does not return */
async function actsAgain(vpn: LabVpn): Promise<void> {
  const deadlineMs = performance.now() + returnTimeoutMs;
  while (performance.now() < deadlineMs) {
    const list = await vpn.hanse(['subset', 'list', '--json'], { on: failing.operator });
    const { subsets } = JSON.parse(list) as { subsets: { name: string; acting: string }[] };
    const acting = subsets.find(({ name }) => name === failing.subset)?.acting;
    if (acting === failing.master) return;
    await delay(pollMs);
  }
  throw new Error(`${failing.subset} did not return within ${returnTimeoutMs / 1_000} s`);
}

interface RunningFlow {
  readonly from: string;
  readonly to: string;
  readonly stream: PacketStream;
}

function startStreams(members: ReadonlyMap<string, LabMember>): Promise<RunningFlow[]> {
  return Promise.all(
    flows.map(async ({ from, to }, index) => {
      const [source, target] = [memberOf(members, from), memberOf(members, to)];
      const stream = await startMemberStream(source, target, { port: 7_007 + index });
      return { from, to, stream };
    }),
  );
}

function stopStreams(running: readonly RunningFlow[]): Promise<FlowFigure[]> {
  return Promise.all(
    running.map(async ({ from, to, stream }) => {
      const { sentAtMs, lost, longestGap } = await stream.stop();
      const gapMs = lost.length === 0 ? 0 : Math.round(longestGap.lengthMs);
      return { from, to, sent: sentAtMs.length, lost: lost.length, gapMs };
    }),
  );
}

/** All daemons but the one of a machine that is dead. */
function witnessesOf(
  vpn: LabVpn,
  members: ReadonlyMap<string, LabMember>,
  dead?: string,
): readonly Witness[] {
  const masters = vpn.masters.filter(({ name }) => name !== dead);
  return [...masters, ...members.values()].map(({ name, process }) => ({ name, process }));
}

function memberOf(members: ReadonlyMap<string, LabMember>, name: string): LabMember {
  const member = members.get(name);
  if (member) return member;
  throw new Error(`the demo has no member ${name}`);
}
