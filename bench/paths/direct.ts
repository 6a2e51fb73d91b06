import { setTimeout as delay } from 'node:timers/promises';
import { createLab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import type { Figure } from '../figure.ts';
import { type Part, type PartContext, runsOf } from '../part.ts';
import { describeSpread, median, percentile } from '../statistics.ts';
import { untilPath } from './direct-path.ts';
import { type FirstPackets, talkFirst } from './first-packet.ts';

/** Every two of them have a first packet once. */
const members = 10;
const usualPairs = (members * (members - 1)) / 2;
const usualRestarts = 50;
/** For the other end to notice that nobody answers, and for what is on its way. */
const calmMs = 1_500;

/** How soon two members talk directly, and what is lost while they move there and back. */
export const direct: Part = {
  name: 'direct',
  summary: `${usualPairs} pairs become direct, and a path is left and taken up again ${usualRestarts} times`,
  place: 'here',
  async measure(context) {
    const hosts = Array.from({ length: members }, (_, index) => `member-${index}`);
    const sites = ['hub', ...hosts].map((host) => ({ name: `${host}-net`, hosts: [host] }));
    await using lab = await createLab({ topology: { sites } });
    const masters = [{ host: 'hub', subset: 'north' }];
    const vpn = await LabVpn.create(lab, { name: 'bench', masters });
    await vpn.startMasters();
    context.progress('joining');
    const joined: LabMember[] = [];
    for (const host of hosts) joined.push(await vpn.join(host, 'north'));
    const first = await talkInPairs(joined, context);
    const [one, other] = joined;
    if (!one || !other) throw new Error('there are no two members');
    return [...firstFigures(first), await measureRestarts(one, other, context)];
  },
};

async function talkInPairs(
  joined: readonly LabMember[],
  context: PartContext,
): Promise<readonly FirstPackets[]> {
  const pairs = joined.flatMap((from, index) =>
    joined.slice(index + 1).map((to) => [from, to] as const),
  );
  const count = runsOf(context, usualPairs);
  const seen: FirstPackets[] = [];
  for (const [from, to] of pairs.slice(0, count)) {
    const one = await talkFirst(from, to);
    seen.push(one);
    const { isDirect, afterMs, lost } = one;
    const what = `${isDirect ? 'direct' : 'failed'} after ${afterMs.toFixed(0)} ms, ${lost} lost`;
    context.progress(`pair ${seen.length} of ${count}: ${what}`);
    if (!isDirect) throw new Error(`${from.name} and ${to.name} did not become direct`);
  }
  return seen;
}

function firstFigures(seen: readonly FirstPackets[]): readonly Figure[] {
  const afterMs = seen.map((one) => one.afterMs);
  const sent = seen.reduce((sum, one) => sum + one.sent, 0);
  return [
    {
      name: 'first packet to direct path at both ends, median',
      unit: 'ms',
      value: median(afterMs),
      goal: { kind: 'at-most', value: 1_000 },
      detail: describeSpread(afterMs),
    },
    {
      name: 'first packet to direct path at both ends, 99th percentile',
      unit: 'ms',
      value: percentile(afterMs, 99),
    },
    {
      name: 'packets lost moving to a direct path',
      unit: '',
      value: seen.reduce((sum, one) => sum + one.lost, 0),
      goal: { kind: 'at-most', value: 0 },
      detail: `of ${sent}, one every 5 ms there and back; ${seen.length} moves`,
    },
  ];
}

/**
 * A daemon that is stopped leaves its traffic with the master, and so does the other end when nobody answers it;
 * one that is started takes the path up again. It is the only way back that one can ask for while packets flow.
 */
async function measureRestarts(
  one: LabMember,
  other: LabMember,
  context: PartContext,
): Promise<Figure> {
  const stream = await startMemberStream(one, other, { family: 'ipv6' });
  const areDirect = () =>
    Promise.all([untilPath(one, other, ['direct']), untilPath(other, one, ['direct'])]);
  await areDirect();
  const count = runsOf(context, usualRestarts);
  for (let round = 0; round < count; round += 1) {
    context.progress(`restart ${round + 1} of ${count}`);
    await one.process.stop();
    await untilPath(other, one, ['failed']);
    await one.restart();
    await areDirect();
  }
  await delay(calmMs);
  const { lost, sentAtMs } = await stream.stop();
  return {
    name: 'packets lost moving back and to the direct path again',
    unit: '',
    value: lost.length,
    goal: { kind: 'at-most', value: 0 },
    detail: `of ${sentAtMs.length}, one every 5 ms there and back; ${count} moves each way, by a restart of one end`,
  };
}
