import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { labOperator, openDoorTo } from '../support/lab/lab-operator.ts';
import { readReceived } from '../support/lab/master-figures.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { PingStream } from '../support/lab/ping-stream.ts';
import { isCutOff, reaches } from '../support/lab/reachability.ts';
import { SessionNode } from '../support/session-client.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1', 'n2', 'n3', 'n4', 'n5'] },
    { name: 'south-net', hosts: ['south-1', 's1', 'shared'] },
    { name: 'west-net', hosts: ['west-1', 'w1'] },
  ],
};
const masters = [
  { host: 'north-1', subset: 'north' },
  { host: 'south-1', subset: 'south' },
  { host: 'west-1', subset: 'west' },
];
const rotations = 20;
/** What a member daemon ends with that has no membership left. */
const allEndedExitCode = 5;
const slowMs = 60_000;

interface ProgressLine {
  readonly type: string;
  readonly member?: string;
  readonly pending?: readonly { readonly member: string; readonly connected: boolean }[];
}

describe('an eviction', { timeout: 300_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let n1: LabMember;
  let n2: LabMember;
  let n3: LabMember;
  let s1: LabMember;

  const evict = async (member: LabMember, options: readonly string[] = []) => {
    const line = ['member', 'evict', member.reference, '--json', ...options];
    const { exitCode, output } = await operate(line);
    const lines = output.trim().split('\n');
    const progress = lines.map((text) => JSON.parse(text) as ProgressLine);
    return {
      exitCode,
      acknowledged: progress.flatMap(({ type, member: name }) =>
        type === 'acknowledged' && name !== undefined ? [name] : [],
      ),
      pending: progress.flatMap(({ pending = [] }) => pending),
    };
  };
  const operate = (line: readonly string[]) =>
    hanseOutcome(vpn.master('north-1').node, line, { HANSE_DIR: vpn.directory });
  const show = async (reference: string): Promise<MemberView> =>
    (await vpn.hanseJson(['member', 'show', reference])) as MemberView;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    await vpn.startMasters();
    [n1, n2, n3, s1] = await Promise.all([
      vpn.join('n1', 'north'),
      vpn.join('n2', 'north'),
      vpn.join('n3', 'north'),
      vpn.join('s1', 'south'),
    ]);
  });
  after(async () => lab?.[Symbol.asyncDispose]());

  it('cuts off a member that keeps its keys and its tunnel and hears of nothing', async () => {
    const hostile = await vpn.join('n4', 'north');
    assert.ok(await reaches(hostile, s1.ipv4), 'it is in at first');
    await hostile.process.kill('SIGSTOP');

    const { exitCode, acknowledged, pending } = await evict(hostile);
    assert.deepEqual([exitCode, pending], [0, []]);
    assert.deepEqual(acknowledged.toSorted(), ['n1', 'n2', 'n3']);
    for (const other of [n1, n2, s1]) {
      assert.ok(await isCutOff(hostile, other.ipv4), `it does not reach ${other.name}`);
      assert.ok(await isCutOff(other, hostile.ipv6), `${other.name} does not reach it`);
    }

    await hostile.process.kill('SIGCONT');
    assert.equal(await hostile.process.waitForExit(slowMs), allEndedExitCode);
    assert.match(await hostile.process.output(), /evicted/);
  });

  it('names who has not applied it, and they catch up by themselves', async () => {
    const leaver = await vpn.join('n5', 'north');
    const before = await untilSession(n3, 'live');
    await n3.process.kill('SIGSTOP');
    await n2.kill();
    await until('the master knows', async () => (await show('n2.north')).session === undefined);

    const { exitCode, acknowledged, pending } = await evict(leaver, ['--wait', '3s']);
    assert.equal(exitCode, 1, 'a connected member has not applied it');
    assert.deepEqual(acknowledged, ['n1']);
    assert.deepEqual(
      pending.toSorted((a, b) => a.member.localeCompare(b.member)),
      [
        { member: 'n2', connected: false },
        { member: 'n3', connected: true },
      ],
    );

    await n3.process.kill('SIGCONT');
    await n2.restart();
    for (const member of [n2, n3]) {
      await until(
        `${member.name} has the new key`,
        async () => ((await readMembership(member))?.epoch ?? 0) > (before.epoch ?? 0),
        slowMs,
      );
      assert.ok(await reaches(member, s1.ipv4), `${member.name} reaches others`);
    }
    await until(
      'the master knows that n3 is up to date',
      async () => {
        const { session } = await show('n3.north');
        return session !== undefined && !session.behindByChanges;
      },
      slowMs,
    );
  });

  it('loses no packet of the others, however often the key changes', async () => {
    const master = vpn.master('north-1');
    await using door = await openDoorTo(lab, master);
    const operator = await labOperator(vpn, { master, endpoint: door.endpoint });
    const token = await operator.invite('north', rotations);
    const names = Array.from({ length: rotations }, (_, index) => `passing-${index}`);
    for (const name of names) {
      const { session } = await new SessionNode(name).join(door.endpoint, token);
      await session[Symbol.asyncDispose]();
    }
    const { epoch = 0 } = await untilSession(n1, 'live');
    await untilSession(n2, 'live');

    const streams = await Promise.all([
      PingStream.start(n1.node, n2.ipv4),
      PingStream.start(n1.node, s1.ipv6),
      PingStream.start(s1.node, n3.ipv4),
    ]);
    for (const name of names) {
      await operator.evictUntilApplied({ subset: 'north', name }, ['n1', 'n2', 'n3']);
    }
    const outcomes = await Promise.all(streams.map((stream) => stream.stop()));
    assert.deepEqual(
      outcomes.flatMap(({ lost }) => lost),
      [],
      JSON.stringify(outcomes),
    );
    assert.equal((await untilSession(n1, 'live')).epoch, epoch + rotations);
  });

  it('for good puts a member out of all its subsets, and visits their masters only', async () => {
    const inSouth = await vpn.join('shared', 'south');
    const { directory } = inSouth;
    const inNorth = await vpn.join('shared', 'north', { directory });
    await until('both subsets know of each other', async () => {
      const [north, south] = await Promise.all([show('shared.north'), show('shared.south')]);
      return north.alsoIn.join() === 'south' && south.alsoIn.join() === 'north';
    });
    assert.ok(await reaches(inSouth, n1.ipv4));

    const before = await readReceived(vpn.master('west-1'));
    const { exitCode } = await operate(['member', 'ban', 'shared.north']);
    assert.equal(exitCode, 0);
    assert.equal(await readReceived(vpn.master('west-1')), before, 'west heard of it');

    for (const subset of ['north', 'south']) {
      assert.equal((await show(`shared.${subset}`)).state, 'banned');
    }
    assert.equal(await inSouth.process.waitForExit(slowMs), allEndedExitCode);
    assert.ok((await isCutOff(n1, inSouth.ipv4)) && (await isCutOff(n1, inNorth.ipv6)));

    for (const subset of ['north', 'south']) {
      const token = await vpn.invite(subset);
      const refused = await join(token, directory);
      assert.equal(refused.exitCode, 3);
      assert.match(refused.output, /this node is banned from/);
    }
    await vpn.hanse(['member', 'unban', 'shared.north']);
    const pardoned = await vpn.join('shared', 'north', { directory });
    assert.ok(await reaches(n1, pardoned.ipv4), 'it is back');
    assert.equal(
      (await show('shared.south')).state,
      'banned',
      'the other subset decides for itself',
    );
  });

  const join = (token: string, directory: string) =>
    hanseOutcome(lab.node('shared'), [
      ...['member', 'join', token, '--name', 'shared', '--dir', directory],
    ]);
});
