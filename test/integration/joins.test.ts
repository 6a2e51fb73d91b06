import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { untilSession } from '../support/lab/member-session.ts';
import { sendStream, untilPathMtu } from '../support/lab/path-mtu.ts';
import { isCutOff, pairsOf, reaches } from '../support/lab/reachability.ts';
import { until } from '../support/until.ts';

/**
 * `thin-1` has a smaller MTU than its members and the other masters, and knows it. The uplink of
 * `south` is just as small, and no end of a tunnel knows until a packet was too long.
 */
const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1', 'n2', 'n3', 'n4'] },
    { name: 'south-net', hosts: ['south-1', 's1'], uplink: { mtuBytes: 1_400 } },
    { name: 'thin-net', hosts: [{ name: 'thin-1', link: { mtuBytes: 1_400 } }] },
    { name: 'thin-office', hosts: ['t1'] },
    { name: 'home', nat: 'port-restricted' as const, hosts: ['h1', 'h2'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
  { host: 'thin-1', subset: 'thin' },
];
const joins = [
  ['n1', 'north'],
  ['n2', 'north'],
  ['s1', 'south'],
  ['t1', 'thin'],
  ['h1', 'north'],
] as const;

/** A tunnel over the Ethernet's 1,500 bytes. */
const tunnelMtu = 1_420;
/** A tunnel over 1,400 bytes. */
const thinTunnelMtu = 1_320;
/** IPv4 and TCP without options. */
const tcpHeaderBytes = 40;

describe('members of several subsets', { timeout: 600_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  const members = new Map<string, LabMember>();
  const member = (name: string): LabMember => {
    const found = members.get(name);
    assert.ok(found, `${name} has joined`);
    return found;
  };
  const show = async (reference: string): Promise<MemberView> =>
    (await vpn.hanseJson(['member', 'show', reference])) as MemberView;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    await vpn.startMasters();
    await Promise.all(
      joins.map(async ([host, subset]) => members.set(host, await vpn.join(host, subset))),
    );
  });
  after(async () => lab?.[Symbol.asyncDispose]());

  it('reach each other over IPv4 and IPv6, also from behind a NAT', async () => {
    for (const [from, to] of pairsOf([...members.values()])) {
      assert.ok(await reaches(from, to.ipv4), `${from.name} reaches ${to.name} over IPv4`);
      assert.ok(await reaches(from, to.ipv6), `${from.name} reaches ${to.name} over IPv6`);
    }
  });

  it('send each other packets of the whole MTU, and hear of those that are longer', async () => {
    await untilPathMtu(member('n1'), member('n2'), tunnelMtu);
    await untilPathMtu(member('h1'), member('n2'), tunnelMtu);
  });

  it('find out that a path is narrower, whoever on the way knows', async () => {
    for (const [from, to] of [
      ['n1', 't1'],
      ['t1', 'n2'],
      ['n1', 's1'],
    ] as const) {
      await untilPathMtu(member(from), member(to), thinTunnelMtu);
    }
  });

  it('transfer much over TCP both ways with segments that fit, whatever the path', async () => {
    for (const [from, to, mtu] of [
      ['n1', 'n2', tunnelMtu],
      ['n1', 's1', thinTunnelMtu],
      ['h1', 'n2', tunnelMtu],
      ['n1', 't1', thinTunnelMtu],
      ['h1', 't1', thinTunnelMtu],
    ] as const) {
      for (const direction of ['forward', 'reverse'] as const) {
        const { receivedBytes, segmentBytes } = await sendStream(
          member(from),
          member(to),
          direction,
        );
        const path = `${direction} between ${from} and ${to}`;
        assert.ok(receivedBytes >= 4_000_000, `${path}: ${receivedBytes} bytes arrived`);
        assert.ok(segmentBytes <= mtu - tcpHeaderBytes, `${path}: segments of ${segmentBytes}`);
      }
    }
  });

  it('may be in two subsets at once, and both know of the other', async () => {
    const { directory } = member('n1');
    const shared = await vpn.join('n1', 'south', { directory });
    assert.deepEqual((await show('n1.south')).alsoIn, ['north']);
    await until('north hears of south', async () => {
      const { alsoIn } = await show('n1.north');
      return alsoIn.join() === 'south';
    });
    for (const address of [shared.ipv4, shared.ipv6, member('n1').ipv4, member('n1').ipv6]) {
      for (const from of ['s1', 't1']) {
        assert.ok(await reaches(member(from), address), `${from} reaches ${address}`);
      }
    }
    assert.ok(await reaches(member('n1'), member('t1').ipv4), 'n1 reaches others still');
  });

  it('keep one membership when they leave the other', async () => {
    const { node, directory, ipv4 } = member('n1');
    const { output, exitCode } = await hanseOutcome(node, [
      'leave',
      'corp.south',
      '--dir',
      directory,
    ]);
    assert.deepEqual([exitCode, output.trim()], [0, 'corp.south is over: left']);
    assert.ok(await reaches(member('s1'), ipv4), 's1 reaches the membership that stays');
    assert.equal((await show('n1.south')).state, 'left');
  });

  it('leave for good, and the same node comes back under the same name and address', async () => {
    const leaver = member('t1');
    const { node, directory } = leaver;
    const { exitCode } = await hanseOutcome(node, ['leave', '--dir', directory]);
    assert.equal(exitCode, 0);
    assert.equal(await leaver.process.waitForExit(30_000), 5, 'nothing is left to run');
    const { stdout } = await node.run('ip', ['-o', 'link']);
    assert.doesNotMatch(stdout, /hns/, 'its interface is gone');
    assert.ok(await isCutOff(member('n1'), leaver.ipv4), 'nobody answers there');

    const returned = await vpn.join('t1', 'thin', { directory });
    members.set('t1', returned);
    assert.deepEqual([returned.ipv4, returned.ipv6], [leaver.ipv4, leaver.ipv6]);
    assert.ok(await reaches(member('n1'), returned.ipv4), 'it is reached again');
  });

  it('do not get the name or the address of another one, even when that one has left', async () => {
    const leaver = member('n2');
    const taken = await joinOutcome('n3', 'n2');
    assert.equal(taken.exitCode, 3);
    assert.match(taken.output, /there is a member n2 in north: join with another --name/);

    await hanseOutcome(leaver.node, ['leave', '--dir', leaver.directory]);
    members.delete('n2');
    const resting = await joinOutcome('n3', 'n2');
    assert.equal(resting.exitCode, 3);
    assert.match(resting.output, /certificates may still be trusted of a member n2 in north until/);

    const newcomer = await vpn.join('n3', 'north');
    members.set('n3', newcomer);
    const given = [leaver.ipv4, member('n1').ipv4];
    assert.ok(!given.includes(newcomer.ipv4), `${newcomer.ipv4} was not given before`);
  });

  it('come as many as a counted invite admits, and no more', async () => {
    const token = await vpn.invite('north', ['--uses', '2']);
    const admitted = await Promise.all(
      ['h2', 'n4'].map((host) => vpn.join(host, 'north', { token })),
    );
    for (const newcomer of admitted) assert.ok(await reaches(newcomer, member('s1').ipv4));
    const third = await joinOutcome('n2', 'third', token);
    assert.equal(third.exitCode, 3);
    assert.match(third.output, /the invite has been used 2 of 2 times/);
  });

  it('are called as the invite says, when it names somebody', async () => {
    const token = await vpn.invite('thin', ['--name', 'archive']);
    const named = await vpn.join('n2', 'thin', { name: 'whatever', token });
    assert.equal(named.name, 'archive');
    await untilSession(named, 'live');
  });

  async function joinOutcome(host: string, name: string, token?: string) {
    const invite = token ?? (await vpn.invite('north'));
    const directory = `${lab.directory}/members/refused-${host}`;
    const line = ['member', 'join', invite, '--name', name, '--dir', directory];
    return hanseOutcome(lab.node(host), line);
  }
});
