import { join } from 'node:path';
import { createLab, type Lab } from '../../lab/lab.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { Part } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';

const joins = 21;
/** Until the answer that the figure is about. */
const timeoutMs = 60_000;
const answer = /^\[(\d+\.\d+)\] \d+ bytes from /m;

/**
 * A prober on the newcomer's host asks a member of the other subset every 5 ms, from before the
 * newcomer starts. Measured is from starting `hanse member join` to the first answer, which had to
 * go through both masters and four tunnels' ends.
 */
export const firstPing: Part = {
  name: 'first-ping',
  summary: `${joins} members join in the lab and ping a member of another subset`,
  place: 'here',
  async measure({ progress }) {
    const newcomers = Array.from({ length: joins }, (_, index) => `new-${index}`);
    await using lab = await createLab({
      topology: {
        sites: [
          { name: 'near-net', hosts: ['near', ...newcomers] },
          { name: 'far-net', hosts: ['far', 'target'] },
        ],
      },
    });
    const vpn = await LabVpn.create(lab, {
      name: 'bench',
      masters: [
        { host: 'near', subset: 'here' },
        { host: 'far', subset: 'there' },
      ],
    });
    await vpn.startMasters();
    const target = await vpn.join('target', 'there');
    const token = await vpn.invite('here', ['--uses', String(joins)]);
    const durationsMs: number[] = [];
    for (const [index, host] of newcomers.entries()) {
      const durationMs = await timeJoin(lab, { host, token, target: target.ipv4 });
      progress(`join ${index + 1} of ${joins}: ${durationMs.toFixed(0)} ms`);
      durationsMs.push(durationMs);
    }
    return [
      {
        name: 'join: member starts to first ping of another subset, median',
        unit: 'ms',
        value: median(durationsMs),
        goal: { kind: 'at-most', value: 500 },
        detail: describeSpread(durationsMs),
      },
    ];
  },
};

interface NewcomerOptions {
  readonly host: string;
  readonly token: string;
  /** Whom it pings. */
  readonly target: string;
}

async function timeJoin(lab: Lab, { host, token, target }: NewcomerOptions): Promise<number> {
  const node = lab.node(host);
  // Line by line, or its answers would wait in a buffer.
  await using prober = await node.start('stdbuf', [
    '-oL',
    'ping',
    '-D',
    '-n',
    '-i',
    '0.005',
    target,
  ]);
  const directory = join(lab.directory, 'members', host);
  // `ping -D` tells the time of day.
  const startedMs = performance.timeOrigin + performance.now();
  await using member = await node.start(hanseProgram, [
    ...['member', 'join', token, '--name', host, '--dir', directory],
  ]);
  const [, seconds] = await prober.waitForOutput(answer, timeoutMs);
  void member;
  return Number(seconds) * 1_000 - startedMs;
}
