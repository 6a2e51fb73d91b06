import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import type { KeyStatus, RotationProgress } from '../../src/api/key-endpoints.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { PingStream } from '../support/lab/ping-stream.ts';
import { reaches } from '../support/lab/reachability.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [{ name: 'north-net', hosts: ['north-1', 'awake-1', 'awake-2', 'asleep', 'away'] }],
};
const masters = [{ host: 'north-1', subset: 'north' }];
const rotations = 2;
/** Many times what members that keep up need. */
const wait = '3s';
const slowMs = 60_000;

interface Rotation {
  readonly exitCode: number | undefined;
  readonly epoch: number;
  readonly acknowledged: readonly string[];
  /** Connected or not. */
  readonly pending: readonly { readonly member: string; readonly connected: boolean }[];
}

describe('rotations by hand', { timeout: 300_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let awake1: LabMember;
  let awake2: LabMember;
  let asleep: LabMember;
  let away: LabMember;

  const operate = (line: readonly string[]) =>
    hanseOutcome(vpn.master('north-1').node, line, { HANSE_DIR: vpn.directory });
  const keyStatus = async (): Promise<KeyStatus> => {
    const { subsets } = (await vpn.hanseJson(['key', 'status', 'north'])) as {
      readonly subsets: readonly [KeyStatus];
    };
    return subsets[0];
  };
  const missing = async () => (await keyStatus()).pending.map(({ member }) => member);
  const rotate = async (): Promise<Rotation> => {
    const line = ['key', 'rotate', 'north', '--wait', wait, '--json'];
    const { exitCode, output } = await operate(line);
    const steps = output
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as RotationProgress);
    return {
      exitCode,
      epoch: steps.flatMap((step) => (step.type === 'rotated' ? [step.epoch] : []))[0] ?? 0,
      acknowledged: steps.flatMap((step) => (step.type === 'acknowledged' ? [step.member] : [])),
      pending: steps.flatMap((step) => (step.type === 'finished' ? step.pending : [])),
    };
  };

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    await vpn.startMasters();
    const token = await vpn.invite('north', ['--uses', '4']);
    [awake1, awake2, asleep, away] = await Promise.all([
      vpn.join('awake-1', 'north', { token }),
      vpn.join('awake-2', 'north', { token }),
      vpn.join('asleep', 'north', { token }),
      vpn.join('away', 'north', { token }),
    ]);
    for (const member of [awake1, awake2, asleep, away]) await untilSession(member, 'live');
    await until('everybody has the first key', async () => (await missing()).length === 0, slowMs);
  });
  after(async () => lab?.[Symbol.asyncDispose]());

  it('cost those who keep up no packet, and name exactly those who do not', async () => {
    const streams = await Promise.all([
      PingStream.start(awake1.node, awake2.ipv4),
      PingStream.start(awake2.node, awake1.ipv6),
    ]);
    // To those who fall behind there is traffic too, which may be lost.
    const others = await Promise.all([
      PingStream.start(awake1.node, asleep.ipv4),
      PingStream.start(awake2.node, away.ipv4),
    ]);
    const { epoch } = await keyStatus();
    await asleep.process.kill('SIGSTOP');
    await lab.link('away').cut();

    for (let done = 1; done <= rotations; done += 1) {
      const rotation = await rotate();
      assert.equal(rotation.epoch, epoch + done);
      assert.deepEqual(rotation.acknowledged.toSorted(), ['awake-1', 'awake-2']);
      const late = rotation.pending.map(({ member }) => member).toSorted();
      assert.deepEqual(late, ['asleep', 'away']);
      // On a busy machine their silence may have been noticed before the end of the wait.
      const isFailed = rotation.pending.some(({ connected }) => connected);
      assert.equal(rotation.exitCode, isFailed ? 1 : 0);
      assert.deepEqual(await missing(), ['asleep', 'away']);
    }
    const { output } = await operate(['key', 'status']);
    assert.match(output, /^north +north-1 +\d+ +\d+ m?s ago +in 23 h 59 min +4 +2$/m);

    const outcomes = await Promise.all(streams.map((stream) => stream.stop()));
    assert.deepEqual(
      outcomes.flatMap(({ lost }) => lost),
      [],
      JSON.stringify(outcomes),
    );
    await Promise.all(others.map((stream) => stream.stop()));
  });

  it('are caught up with by those who come back, without an invite', async () => {
    const { epoch } = await keyStatus();
    await asleep.process.kill('SIGCONT');
    await lab.link('away').restore();
    for (const member of [asleep, away]) {
      await until(
        `${member.name} has the newest key`,
        async () => (await readMembership(member))?.epoch === epoch,
        slowMs,
      );
      assert.ok(await reaches(member, awake1.ipv4), `${member.name} reaches others`);
      assert.ok(await reaches(awake2, member.ipv6), `others reach ${member.name}`);
    }
    await until('nobody is missing', async () => (await missing()).length === 0, slowMs);
    const invites = (await vpn.hanseJson(['invite', 'list', '--subset', 'north'])) as {
      readonly invites: readonly { readonly used: number }[];
    };
    assert.deepEqual(
      invites.invites.map(({ used }) => used),
      [4],
      'each joined once',
    );
  });

  it('are in the audit log with the name of who asked', async () => {
    const { output } = await operate(['audit', '--subset', 'north', '--json']);
    const { entries } = JSON.parse(output) as {
      readonly entries: readonly { readonly action: string; readonly actor: string }[];
    };
    const asked = entries.filter(({ action }) => action === 'key-rotated-on-request');
    assert.deepEqual(
      asked.map(({ actor }) => actor),
      Array.from({ length: rotations }, () => 'operator:admin'),
    );
  });
});
