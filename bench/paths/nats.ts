import { createLab } from '../../lab/lab.ts';
import { type NatKind, natKinds } from '../../lab/nat-rules.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { Part } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';
import { type FirstPackets, talkFirst } from './first-packet.ts';

interface Pair extends FirstPackets {
  readonly kinds: string;
  readonly canMeet: boolean;
}

/** Which members behind NATs become direct, of all kinds with all kinds; those of one kind share a network. */
export const nats: Part = {
  name: 'nats',
  summary: 'pairs of members behind all kinds of NAT talk',
  place: 'here',
  async measure({ progress }) {
    await using lab = await createLab({
      topology: {
        sites: [
          { name: 'hub-net', hosts: ['hub'] },
          ...natKinds.map((nat) => ({ name: `${nat}-net`, nat, hosts: hostsBehind(nat) })),
        ],
      },
    });
    const masters = [{ host: 'hub', subset: 'north' }];
    const vpn = await LabVpn.create(lab, { name: 'bench', masters });
    await vpn.startMasters();
    progress('joining');
    const members = new Map<string, LabMember>();
    for (const host of natKinds.flatMap(hostsBehind)) {
      members.set(host, await vpn.join(host, 'north'));
    }
    const seen: Pair[] = [];
    for (const [one, other] of pairsOfKinds()) {
      const from = members.get(hostsBehind(one)[0]);
      const to = members.get(hostsBehind(other)[1]);
      if (!from || !to) throw new Error(`nobody is behind ${one} or ${other}`);
      const kinds = `${one} and ${other}`;
      const pair = { kinds, canMeet: canMeet(one, other), ...(await talkFirst(from, to)) };
      progress(`${kinds}: ${pair.isDirect ? 'direct' : 'not'} after ${pair.afterMs.toFixed(0)} ms`);
      seen.push(pair);
    }
    return figuresOf(seen);
  },
};

function figuresOf(seen: readonly Pair[]) {
  const directOnes = seen.filter(({ isDirect }) => isDirect);
  const possible = seen.filter(({ canMeet: can }) => can);
  const afterMs = directOnes.map((pair) => pair.afterMs);
  const others = seen.filter(({ isDirect }) => !isDirect).map(({ kinds }) => kinds);
  return [
    {
      name: 'pairs of NAT kinds that become direct',
      unit: '',
      value: directOnes.length,
      reference: { name: 'can, in theory', value: possible.length },
      goal: { kind: 'at-least', value: possible.length } as const,
      detail: `of ${seen.length}; through the master: ${others.join(', ') || 'none'}`,
    },
    {
      name: 'first packet to direct path behind NATs, median',
      unit: 'ms',
      value: median(afterMs),
      detail: describeSpread(afterMs),
    },
    {
      name: 'packets lost meanwhile',
      unit: '',
      value: seen.reduce((sum, { lost }) => sum + lost, 0),
      goal: { kind: 'at-most', value: 0 } as const,
      detail: `of ${seen.reduce((sum, { sent }) => sum + sent, 0)}, of all pairs`,
    },
  ];
}

const hostsBehind = (nat: NatKind): [string, string] => [`${nat}-1`, `${nat}-2`];

function pairsOfKinds(): readonly (readonly [NatKind, NatKind])[] {
  return natKinds.flatMap((one, index) =>
    natKinds.slice(index).map((other) => [one, other] as const),
  );
}

/** On one network anybody; else the port of a symmetric NAT is known only to whom it was made for. */
function canMeet(one: NatKind, other: NatKind): boolean {
  if (one === other) return true;
  return ![one, other].every((kind) => kind === 'symmetric' || kind === 'port-restricted');
}
