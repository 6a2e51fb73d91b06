import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabNode } from '../../lab/lab-node.ts';
import { monotonicMs } from '../../lab/packet-stream.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import { untilPaths } from '../support/lab/direct-path.ts';
import {
  copyTunnels,
  forwardForOthers,
  handshakeAnew,
  sendByFriend,
  tunnelsOf,
} from '../support/lab/evicted-member.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { isCutOff, reaches } from '../support/lab/reachability.ts';
import { vpnInterface } from '../support/lab/vpn-interface.ts';
import { replayMessages, type WireMessage, WireTap, wireTypes } from '../support/lab/wire-tap.ts';

const topology = {
  sites: [
    { name: 'hub-net', hosts: ['hub'] },
    { name: 'web-net', hosts: ['web'] },
    { name: 'home-net', hosts: ['laptop'] },
    { name: 'den-net', hosts: ['thief', 'friend'] },
  ],
};

/** Ends are looked for every second at the least. */
const endIsSeenMs = 2_000;

describe('evicted members that keep all they have', { timeout: 600_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let web: LabMember;
  let laptop: LabMember;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'hanse', masters: [{ host: 'hub', subset: 'north' }] });
    await vpn.startMasters();
    [web, laptop] = await Promise.all([vpn.join('web', 'north'), vpn.join('laptop', 'north')]);
  });
  after(() => lab?.[Symbol.asyncDispose]());

  /** Has the two talk until they do it directly. */
  async function becomeDirect(one: LabMember, other: LabMember): Promise<void> {
    const stream = await startMemberStream(one, other);
    await untilPaths(one, other, 'direct');
    await stream.stop();
  }

  /** Of those who are evicted together, the first waits for the second, which does not answer any more. */
  async function evict(member: LabMember): Promise<void> {
    const said = await vpn.hanse(['member', 'evict', member.reference, '--wait', '5s']);
    assert.match(said, new RegExp(`${member.name}\\.north is evicted`));
  }

  it('gain nothing by saying again what they, or others, have said before', async () => {
    const taps = await Promise.all(['thief', 'laptop'].map((host) => WireTap.on(lab.node(host))));
    const thief = await vpn.join('thief', 'north');
    await becomeDirect(thief, web);
    await becomeDirect(laptop, web);
    await thief.kill();
    // Who was first with the handshake is chance.
    await handshakeAnew(thief, await copyTunnels(thief));
    assert.ok(await reaches(thief, web.ipv4));
    const [own = [], overheard = []] = await Promise.all(taps.map((tap) => tap.stop()));
    for (const { node } of [web, vpn.master('hub')]) {
      assert.deepEqual(typesSentTo(node, own), [wireTypes.initiation, wireTypes.data]);
      assert.ok(typesSentTo(node, overheard).includes(wireTypes.data));
    }
    await evict(thief);
    // Its ports are free then.
    await thief.node.crash();

    const before = await whatIsKnown();
    assert.ok(before.web.echoes > 0 && before.hub.forwarded > 0, 'what it sent was counted before');
    const stream = await startMemberStream(laptop, web);
    for (const messages of [own, overheard]) await replayMessages(thief.node, messages);
    assert.deepEqual((await stream.stop()).lost, []);
    assert.deepEqual(await whatIsKnown(), before);
  });

  /** Peers of those who stay and where they are, and what has come through their tunnels. */
  async function whatIsKnown() {
    const hub = vpn.master('hub').node;
    return {
      web: {
        peers: await endpointsAt(web.node),
        echoes: await countOf(web.node, 'Icmp', 'InEchos'),
      },
      hub: { peers: await endpointsAt(hub), forwarded: await countOf(hub, 'Ip', 'ForwDatagrams') },
    };
  }

  it('gain nothing by helping each other', async () => {
    const thief = await vpn.join('thief', 'north', { name: 'thief-2' });
    const friend = await vpn.join('friend', 'north');
    // Each writes to another one: streams to the same would want the same port.
    const pairs = [
      [thief, friend],
      [friend, web],
      [web, laptop],
      [web, thief],
    ] as const;
    await Promise.all(pairs.map(([one, other]) => becomeDirect(one, other)));
    for (const evicted of [thief, friend]) await evicted.kill();
    const stream = await startMemberStream(laptop, web);
    for (const evicted of [thief, friend]) await evict(evicted);
    await forwardForOthers(friend);
    assert.ok(await reaches(thief, friend.ipv4), 'nobody can take their own tunnel from them');
    await assertNothingComesThrough([thief, friend]);
    await sendByFriend(thief, { friend, address: web.ipv4 });
    await assertNothingComesThrough([thief, friend]);
    await handshakeAnew(friend, await copyTunnels(friend));
    await assertNothingComesThrough([thief, friend]);
    assert.ok(await isCutOff(web, thief.ipv4));
    assert.ok(await isCutOff(web, friend.ipv4));
    assert.deepEqual((await stream.stop()).lost, []);
  });

  /** Not even a request without an answer. */
  async function assertNothingComesThrough(evicted: readonly LabMember[]): Promise<void> {
    const before = await countOf(web.node, 'Icmp', 'InEchos');
    const areCutOff = evicted.map((member) => isCutOff(member, web.ipv4));
    assert.deepEqual(await Promise.all(areCutOff), Array(evicted.length).fill(true));
    assert.equal(await countOf(web.node, 'Icmp', 'InEchos'), before);
  }
});

describe('a member that no master can tell of an eviction', { timeout: 600_000 }, () => {
  /** Short enough to be waited for; renewals have their time. */
  const lifetimes = ['--certificate-lifetime', '30s', '--key-rotation', '1h', '--absence', '45s'];
  let lab: Lab;
  after(() => lab?.[Symbol.asyncDispose]());

  it('is reached by the evicted one until the end of its certificate, and no longer', async () => {
    lab = await createLab({ topology });
    const vpn = await LabVpn.create(lab, {
      ...{ name: 'hanse', masters: [{ host: 'hub', subset: 'north' }] },
      createOptions: lifetimes,
    });
    await vpn.startMasters();
    const [web, thief] = [await vpn.join('web', 'north'), await vpn.join('thief', 'north')];
    const stream = await startMemberStream(thief, web);
    await untilPaths(thief, web, 'direct');
    const copy = await copyTunnels(thief);
    const directly = await vpnInterface(thief.node, web.ipv4);
    // The evicted one does not want to be told either: its daemon would give up what it has.
    await lab.separate(['hub'], ['web', 'thief']);
    const { exitCode } = await hanseOutcome(
      vpn.master('hub').node,
      ['member', 'evict', thief.reference, '--wait', '1s'],
      { HANSE_DIR: vpn.directory },
    );
    assert.notEqual(exitCode, 0, 'web has not acknowledged');
    assert.ok(await reaches(thief, web.ipv4), 'the bound is no less than documented');
    const { certificateEndsAtMs } = (await vpn.hanseJson([
      ...['member', 'show', thief.reference],
    ])) as MemberView;
    await delay(Math.max(0, certificateEndsAtMs - Date.now()) + endIsSeenMs);
    await thief.kill();
    await handshakeAnew(thief, copy);
    for (const address of [web.ipv4, web.ipv6]) {
      await thief.node.run('ip', ['route', 'replace', address, 'dev', directly]);
      assert.ok(await isCutOff(thief, address));
    }
    const { sentAtMs, answeredAtMs } = await stream.stop();
    const last = answeredAtMs.findLastIndex((at) => at !== null);
    const lastMs = Date.now() - (monotonicMs() - (sentAtMs[last] ?? 0));
    const lateMs = lastMs - certificateEndsAtMs;
    assert.ok(lateMs <= endIsSeenMs, `a packet came through ${lateMs} ms after the end`);
    // Nor does a daemon that starts again take it up from the disk.
    await web.process.stop();
    await web.restart();
    await delay(endIsSeenMs);
    assert.ok(await isCutOff(thief, web.ipv4));
  });
});

/** Of the initiations and the packets, which ones went to the node; in the order of their numbers. */
function typesSentTo(node: LabNode, messages: readonly WireMessage[]): readonly number[] {
  const to = node.address('ipv4');
  const types = messages.filter(({ toAddress }) => toAddress === to).map(({ type }) => type);
  return [wireTypes.initiation, wireTypes.data].filter((type) => types.includes(type));
}

/** `interface key endpoint` of every peer of every tunnel. */
async function endpointsAt(node: LabNode): Promise<readonly string[]> {
  const lists = await Promise.all(
    (await tunnelsOf(node)).map(async (name) => {
      const { stdout } = await node.run('wg', ['show', name, 'endpoints']);
      return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => `${name} ${line}`);
    }),
  );
  return lists.flat().sort();
}

/** A counter of the kernel's (RFC 1213), for IPv4. */
async function countOf(node: LabNode, group: string, counter: string): Promise<number> {
  const { stdout } = await node.run('cat', ['/proc/net/snmp']);
  const [names = [], values = []] = stdout
    .split('\n')
    .filter((line) => line.startsWith(`${group}: `))
    .map((line) => line.split(' '));
  return Number(values[names.indexOf(counter)]);
}
