import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import type { MemberPaths } from '../../src/api/path-endpoints.ts';
import { untilPath, untilPaths } from '../support/lab/direct-path.ts';
import { assertPartedByEviction } from '../support/lab/evicted-member.ts';
import { reaches } from '../support/lab/reachability.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'hub-net', hosts: ['hub'] },
    { name: 'web-net', hosts: ['web'] },
    { name: 'home-net', nat: 'port-restricted' as const, hosts: ['laptop', 'thief'] },
  ],
};
/** Well above the second in which a silent path is left, because the machine may be busy. */
const longestGapMs = 2_500;
/** Longer than it takes until a master introduces again who has failed. */
const stillMs = 33_000;

describe('a direct path between members', { timeout: 600_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let web: LabMember;
  let laptop: LabMember;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'hanse', masters: [{ host: 'hub', subset: 'north' }] });
    await vpn.startMasters();
    web = await vpn.join('web', 'north');
    laptop = await vpn.join('laptop', 'north');
  });
  after(() => lab?.[Symbol.asyncDispose]());

  it('is found when they talk, and its state is the operator’s to see', async () => {
    const stream = await startMemberStream(laptop, web);
    await untilPaths(laptop, web, 'direct');
    assert.deepEqual((await stream.stop()).lost, []);
    const { direct, isFresh } = (await vpn.hanseJson(['path', 'web.north'])) as MemberPaths;
    assert.ok(isFresh);
    assert.deepEqual(
      direct.map(({ name, state }) => [name, state]),
      [['laptop', 'direct']],
    );
    // The outside of the NAT, which the member itself cannot know.
    assert.ok(direct[0]?.endpoint?.startsWith(`${lab.node('home-net').address('ipv4')}:`));
    assert.ok(direct[0]?.roundTripMs !== undefined && direct[0].handshakeAgeMs !== undefined);
    const { members } = (await vpn.hanseJson(['member', 'list'])) as { members: MemberView[] };
    const directTo = members.map(({ name, session }) => [name, session?.directTo]);
    assert.deepEqual(directTo.sort(), [
      ['laptop', ['web']],
      ['web', ['laptop']],
    ]);
  });

  it('that dies is left for a master that has restarted since, and found again when it can be', async () => {
    await vpn.master('hub').process.stop();
    await vpn.master('hub').start();
    const stream = await startMemberStream(laptop, web);
    await untilPath(laptop, web, 'direct');
    const separation = await lab.separate(['laptop'], ['web']);
    await untilPaths(laptop, web, 'failed');
    assert.ok(await reaches(laptop, web.ipv4));
    await separation.end();
    await untilPaths(laptop, web, 'direct');
    const { longestGap } = await stream.stop();
    assert.ok(longestGap.lengthMs <= longestGapMs, `a gap of ${longestGap.lengthMs} ms`);
  });

  it('loses no packet while the daemon of one end stands still, though the other end leaves it', async () => {
    const stream = await startMemberStream(laptop, web);
    await untilPaths(laptop, web, 'direct');
    await web.process.kill('SIGSTOP');
    await untilPath(laptop, web, 'failed');
    await delay(stillMs);
    await web.process.kill('SIGCONT');
    await untilPaths(laptop, web, 'direct');
    assert.deepEqual((await stream.stop()).lost, []);
  });

  it('leads nowhere for who is evicted and keeps all it has, once the others have acknowledged', async () => {
    const thief = await vpn.join('thief', 'north');
    const stream = await startMemberStream(thief, web);
    await untilPaths(thief, web, 'direct');
    await stream.stop();
    assert.match(await assertPartedByEviction(vpn, thief, web), /thief\.north is evicted/);
    assert.ok(await reaches(laptop, web.ipv4));
  });

  it('is taken up after a reboot with no master left', async () => {
    const stream = await startMemberStream(laptop, web);
    await untilPath(web, laptop, 'direct');
    await stream.stop();
    await vpn.master('hub').node.crash();
    await laptop.node.crash();
    await laptop.restart();
    await untilPath(laptop, web, 'direct');
    await until('it reaches the other one', () => reaches(laptop, web.ipv6));
  });
});
