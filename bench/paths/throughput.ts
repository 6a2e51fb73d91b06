import { setTimeout as delay } from 'node:timers/promises';
import { createLab } from '../../lab/lab.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { HandMadeDevices } from '../lab/hand-made-devices.ts';
import { connectByHand } from '../lab/hand-made-hubs.ts';
import { measureThroughput, tunnelMtuBytes } from '../lab/tcp-throughput.ts';
import { type Part, runsOf } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';
import { untilPath } from './direct-path.ts';
import { talkFirst } from './first-packet.ts';

const usualRounds = 15;
const calmMs = 500;

/** One TCP stream on a direct path and through a tunnel made by hand between the same hosts, by turns. */
export const throughput: Part = {
  name: 'throughput',
  summary: `TCP on a direct path, against a tunnel configured by hand, ${usualRounds} times by turns`,
  place: 'here',
  async measure(context) {
    const { progress } = context;
    await using lab = await createLab({
      topology: {
        sites: [
          { name: 'hub-net', hosts: ['hub'] },
          { name: 'near-net', hosts: ['near'] },
          { name: 'far-net', hosts: ['far'] },
        ],
      },
    });
    const masters = [{ host: 'hub', subset: 'north' }];
    const vpn = await LabVpn.create(lab, { name: 'bench', masters });
    await vpn.startMasters();
    const [near, far] = [await vpn.join('near', 'north'), await vpn.join('far', 'north')];
    const mtuBytes = await tunnelMtuBytes(near.node);
    const devices = await HandMadeDevices.create({ lab, mtuBytes });
    const byHandAddress = await connectByHand(devices, ['near', 'far']);
    await talkFirst(near, far);
    const [hanse, reference]: [number[], number[]] = [[], []];
    const rounds = runsOf(context, usualRounds);
    for (let round = 0; round < rounds; round += 1) {
      progress(`round ${round + 1} of ${rounds}`);
      const runs = [
        async () => hanse.push(await measureThroughput(near.node, far.node, far.ipv4)),
        async () => reference.push(await measureThroughput(near.node, far.node, byHandAddress)),
      ];
      for (const run of round % 2 === 0 ? runs : runs.reverse()) {
        await run();
        await delay(calmMs);
      }
      // It would be the master's throughput otherwise.
      await untilPath(near, far, ['direct']);
    }
    return [
      {
        name: 'TCP on a direct path, share of bare WireGuard',
        unit: '',
        value: median(hanse) / median(reference),
        reference: { name: 'Mbit/s by hand', value: median(reference) },
        goal: { kind: 'at-least', value: 0.95 },
        detail: `${median(hanse).toFixed(0)} Mbit/s, MTU ${mtuBytes}; ${describeSpread(hanse)}`,
      },
    ];
  },
};
