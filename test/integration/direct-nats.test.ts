import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import { untilPaths } from '../support/lab/direct-path.ts';

const kinds = ['none', 'full-cone', 'address-restricted', 'port-restricted', 'symmetric'] as const;
type Kind = (typeof kinds)[number];

/** Two members behind each kind of NAT; those behind the same one share a network. */
const topology = {
  sites: [
    { name: 'hub-net', hosts: ['hub'] },
    ...kinds.map((nat) => ({ name: `${nat}-net`, nat, hosts: [`${nat}-1`, `${nat}-2`] })),
  ],
};

/** The outside port of a symmetric NAT is known only to whom it was made for. */
function canMeet(one: Kind, other: Kind): boolean {
  if (one === other) return true;
  const [first, second] = [one, other].sort();
  return !(first === 'port-restricted' && second === 'symmetric');
}

const pairs = kinds.flatMap((one, index) =>
  kinds.slice(index).map((other) => [one, other] as const),
);
/** Each pair waits for several seconds until its master notices it, and then for each other. */
const pairsAtOnce = 5;
const firstPort = 7_201;

describe('two members that talk through their master', {
  concurrency: pairsAtOnce,
  timeout: 900_000,
}, () => {
  let lab: Lab;
  const members = new Map<string, LabMember>();

  before(async () => {
    lab = await createLab({ topology });
    const masters = [{ host: 'hub', subset: 'north' }];
    const vpn = await LabVpn.create(lab, { name: 'hanse', masters });
    await vpn.startMasters();
    const names = kinds.flatMap((kind) => [`${kind}-1`, `${kind}-2`]);
    await Promise.all(names.map(async (name) => members.set(name, await vpn.join(name, 'north'))));
  });
  after(() => lab?.[Symbol.asyncDispose]());

  const memberOf = (name: string): LabMember => members.get(name) ?? assert.fail(name);

  for (const [index, [one, other]] of pairs.entries()) {
    const where = one === other ? `behind one NAT, ${one}` : `behind ${one} and ${other}`;
    const ends = canMeet(one, other) ? 'become direct' : 'go on through it';
    it(`${where}, ${ends}, and lose nothing`, async () => {
      const [from, to] = [memberOf(`${one}-1`), memberOf(`${other}-2`)];
      const options = { family: 'ipv6', port: firstPort + index } as const;
      const stream = await startMemberStream(from, to, options);
      const state = canMeet(one, other) ? 'direct' : 'failed';
      await untilPaths(from, to, state);
      const { lost } = await stream.stop();
      assert.deepEqual(lost, []);
    });
  }
});
