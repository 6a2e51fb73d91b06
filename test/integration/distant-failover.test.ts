import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import { monotonicMs } from '../../lab/packet-stream.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import type { DirectPath, DirectState } from '../../src/api/direct-messages.ts';
import type { MemberPaths } from '../../src/api/path-endpoints.ts';
import { directPathTo, untilPaths } from '../support/lab/direct-path.ts';
import { readMembership } from '../support/lab/member-session.ts';
import { until } from '../support/until.ts';

const nat = 'port-restricted' as const;
const topology = {
  sites: [
    { name: 'hub-net', hosts: ['fra'] },
    { name: 'far-net', hosts: ['sin'] },
    { name: 'spare-net', hosts: ['ams'] },
    { name: 'home-net', nat, hosts: ['laptop'] },
    { name: 'cafe-net', nat, hosts: ['guest'] },
    { name: 'office-net', nat, hosts: ['phone'] },
  ],
};
/** A master is missed, replaced and connected to within some seconds; the machine may be busy. */
const slowMs = 90_000;
/** Longer than what is still on its way by masters when a path becomes direct. */
const flowingMs = 2_000;
/** A path that dies is left within 0.8 s for the sealed tunnel, whose master has to hear of the new network too; the machine may be busy. */
const longestGapMs = 5_000;

describe('a direct path between members of two masters', { timeout: 600_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let laptop: LabMember;
  let phone: LabMember;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, {
      name: 'hanse',
      masters: [
        { host: 'fra', subset: 'europe', backups: ['ams'] },
        { host: 'sin', subset: 'asia', backups: ['ams'] },
        { host: 'ams', subset: 'africa' },
      ],
      createOptions: ['--keying', 'shared', '--settle', '1h'],
    });
    await vpn.startMasters();
    laptop = await vpn.join('laptop', 'europe');
    phone = await vpn.join('phone', 'asia');
  });
  after(() => lab?.[Symbol.asyncDispose]());

  const startStream = () => startMemberStream(laptop, phone);
  const untilBoth = (state: DirectState) => untilPaths(laptop, phone, state);
  /** What the master that has its session says of the member, by the operator. */
  const pathsOf = async (member: LabMember): Promise<MemberPaths> => {
    const text = await vpn.hanse(['path', member.reference, '--json'], { on: 'sin' });
    return JSON.parse(text) as MemberPaths;
  };
  /** Whether both ends send by it, and have not stopped since it was that old. */
  const isOlderThan = (ageMs: number, paths: readonly (DirectPath | undefined)[]) =>
    paths.every((path) => path?.state === 'direct' && path.ageMs >= ageMs);

  it('goes on without a lost packet when the master of one of them dies, and its backup has the member', async () => {
    const stream = await startStream();
    await untilBoth('direct');
    await delay(flowingMs);
    const diedAt = Date.now();
    await vpn.master('fra').node.crash();
    await until(
      'laptop is with ams',
      async () => {
        const { session } = (await readMembership(laptop)) ?? {};
        return session?.state === 'live' && session.master === 'ams';
      },
      slowMs,
    );
    await delay(flowingMs);
    const paths = await Promise.all([directPathTo(laptop, phone), directPathTo(phone, laptop)]);
    assert.ok(isOlderThan(Date.now() - diedAt, paths), JSON.stringify(paths));
    assert.deepEqual((await stream.stop()).lost, []);
  });

  it('is known to the new master', async () => {
    const { master, direct } = await pathsOf(laptop);
    assert.equal(master, 'ams');
    assert.deepEqual(
      direct.map(({ name, subset, state }) => [name, subset, state]),
      [['phone', 'asia', 'direct']],
    );
    assert.equal((await pathsOf(phone)).master, 'sin');
  });

  it('is found from the network that a member has moved to, with the help of the new master', async (test) => {
    const stream = await startStream();
    await untilBoth('direct');
    await delay(flowingMs);
    await lab.roam('laptop', { to: 'cafe-net' });
    const movedMs = monotonicMs();
    const cafe = lab.node('cafe-net').address('ipv4');
    await until(
      'phone reaches laptop there',
      async () => {
        const { state, endpoint = '' } = (await directPathTo(phone, laptop)) ?? {};
        return state === 'direct' && endpoint.startsWith(`${cafe}:`);
      },
      slowMs,
    );
    test.diagnostic(`reached there after ${Math.round(monotonicMs() - movedMs)} ms`);
    await untilBoth('direct');
    await delay(flowingMs);
    const { longestGap } = await stream.stop();
    assert.ok(longestGap.lengthMs < longestGapMs, `${longestGap.lengthMs} ms without packets`);
  });
});
