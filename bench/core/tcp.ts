import { createLab } from '../../lab/lab.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { Figure } from '../figure.ts';
import { HandMadeDevices } from '../lab/hand-made-devices.ts';
import { configureByHand } from '../lab/hand-made-hubs.ts';
import { measureThroughput, tunnelMtuBytes } from '../lab/tcp-throughput.ts';
import type { Part } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';

const rounds = 9;

/**
 * One TCP stream through Hanse's masters and through hubs made by hand, by turns, so that whatever
 * else the machine does, it does to both.
 */
export const tcp: Part = {
  name: 'tcp',
  summary: `TCP through one and two masters, against hubs configured by hand, ${rounds} times by turns`,
  place: 'here',
  async measure({ progress }) {
    await using lab = await createLab({
      topology: {
        sites: [
          { name: 'near-net', hosts: ['near', 'client'] },
          { name: 'next-net', hosts: ['neighbour'] },
          { name: 'far-net', hosts: ['far', 'stranger'] },
        ],
      },
    });
    // Or they would soon be on a direct path.
    await lab.separate(['client'], ['neighbour']);
    const vpn = await LabVpn.create(lab, {
      name: 'bench',
      masters: [
        { host: 'near', subset: 'here' },
        { host: 'far', subset: 'there' },
      ],
    });
    await vpn.startMasters();
    const client = await vpn.join('client', 'here');
    const neighbour = await vpn.join('neighbour', 'here');
    const stranger = await vpn.join('stranger', 'there');
    const mtuBytes = await tunnelMtuBytes(client.node);
    const byHand = await configureByHand(await HandMadeDevices.create({ lab, mtuBytes }), [
      { host: 'near', members: ['client', 'neighbour'] },
      { host: 'far', members: ['stranger'] },
    ]);
    const paths = [
      { name: 'one master', to: neighbour, hanse: [] as number[], reference: [] as number[] },
      { name: 'two masters', to: stranger, hanse: [] as number[], reference: [] as number[] },
    ];
    for (let round = 0; round < rounds; round += 1) {
      for (const { name, to, hanse, reference } of paths) {
        progress(`round ${round + 1} of ${rounds}: ${name}`);
        const byHandAddress = byHand.get(to.node.name) ?? '';
        const runs = [
          async () => hanse.push(await measureThroughput(client.node, to.node, to.ipv4)),
          async () => reference.push(await measureThroughput(client.node, to.node, byHandAddress)),
        ];
        for (const run of round % 2 === 0 ? runs : runs.reverse()) await run();
      }
    }
    return paths.map(
      ({ name, hanse, reference }): Figure => ({
        name: `TCP through ${name}, share of hand-made hubs`,
        unit: '',
        value: median(hanse) / median(reference),
        reference: { name: 'Mbit/s by hand', value: median(reference) },
        goal: { kind: 'at-least', value: 0.95 },
        detail: `${median(hanse).toFixed(0)} Mbit/s, MTU ${mtuBytes}; ${describeSpread(hanse)}`,
      }),
    );
  },
};
