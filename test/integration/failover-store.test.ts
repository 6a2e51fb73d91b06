import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { MasterStatus } from '../../src/api/status-endpoints.ts';
import { readEtcd } from '../support/lab/etcd-records.ts';
import { FailoverBed } from '../support/lab/failover-bed.ts';
import { until } from '../support/until.ts';

const etcdHosts = ['etcd-1', 'etcd-2', 'etcd-3'];
const tryAgainExitCode = 4;
const slowMs = 60_000;
/** Longer than a lease lasts, so that the leader that comes back takes those of its time to be over. */
const stalledMs = 3_500;

describe('masters that lose their store', { timeout: 600_000 }, () => {
  let bed: FailoverBed;

  before(async () => {
    bed = await FailoverBed.start();
  });
  beforeEach(() => bed.mend());
  after(() => bed?.[Symbol.asyncDispose]());

  it('the acting master alone: it serves on as a backup, another one acts, and nothing moves', async () => {
    const standing = await bed.standing();
    const traffic = await bed.startTraffic();
    await bed.separate(['one'], etcdHosts);
    await untilRole('one', 'backup');
    await untilBackupActs('four');
    assert.equal((await invite('four')).exitCode, 0);
    await traffic.assertLosses();
    await standing.assertHeld();
  });

  it('without a quorum: traffic, sessions and listings go on, and changes are refused and not made', async () => {
    const standing = await bed.standing();
    const traffic = await bed.startTraffic();
    await Promise.all(['etcd-1', 'etcd-2'].map((host) => bed.lab.link(host).cut()));
    await untilRole('one', 'backup');
    await assertRefused('four');
    const evicted = await bed.hanse(['member', 'evict', 'near.north', '--wait', '5s']);
    assert.equal(evicted.exitCode, tryAgainExitCode, evicted.output);
    const { members } = (await bed.hanseJson(['member', 'list'])) as { members: object[] };
    assert.equal(members.length, bed.members.length);
    await traffic.assertLosses();
    await standing.assertHeld();
    await Promise.all(['etcd-1', 'etcd-2'].map((host) => bed.lab.link(host).restore()));
    await untilInvites('four');
    await assertEveryChangeWhole();
  });

  it('etcd’s leader stands still for some seconds and comes back: every subset stays where it is', async () => {
    const standing = await bed.standing();
    const history = () => bed.hanseJson(['failover', 'history']);
    const before = await history();
    const traffic = await bed.startTraffic();
    const leader = await bed.etcd.leader();
    await leader.pause();
    await delay(stalledMs);
    await leader.resume();
    await untilInvites('four');
    await traffic.assertLosses();
    assert.deepEqual(await history(), before);
    await standing.assertHeld();
  });

  it('half of the masters with a minority: it changes nothing, and its members keep traffic and sessions', async () => {
    const [across, , between] = bed.flows;
    const minority = ['one', 'four', 'etcd-1', 'near', 'neighbour', 'far'];
    const majority = ['two', 'three', 'etcd-2', 'etcd-3', 'outer'];
    const standing = await bed.standing([bed.near, bed.neighbour, bed.far]);
    const traffic = await bed.startTraffic([across, between]);
    await bed.separate(minority, majority);
    await untilRole('one', 'backup', 'one');
    await assertRefused('one');
    await untilBackupActs('two');
    await untilInvites('two');
    await traffic.assertLosses();
    await standing.assertHeld();
  });

  const invite = (on: string) => bed.hanse(['invite', 'create', '--subset', 'north'], on);

  async function assertRefused(on: string): Promise<void> {
    const { exitCode, output } = await invite(on);
    assert.equal(exitCode, tryAgainExitCode, output);
    assert.match(output, /no master of north did it/);
  }

  /** Resolves when a change is accepted. */
  async function untilInvites(on: string): Promise<void> {
    await until('a change is accepted', async () => (await invite(on)).exitCode === 0, slowMs);
  }

  /**
   * Resolves when the master says that this is what it is for north. The directory, as a master without its
   * store has it, tells of the time before.
   */
  async function untilRole(master: string, role: 'acting' | 'backup', on = 'four'): Promise<void> {
    await until(
      `${master} is ${role} for north`,
      async () => (await roleOf(master, on)) === role,
      slowMs,
    );
  }

  /** The first backup, unless a busy machine or a lost etcd server has kept it from being first. */
  async function untilBackupActs(on: string): Promise<void> {
    await until(
      'a backup acts for north',
      async () => {
        const found = await Promise.all(['two', 'three'].map((master) => roleOf(master, on)));
        return found.includes('acting');
      },
      slowMs,
    );
  }

  async function roleOf(master: string, on: string): Promise<string | undefined> {
    const answer = await bed.hanseJson(['status', '--master', master], on);
    const { masters } = answer as { masters: { status?: MasterStatus }[] };
    const subsets = masters[0]?.status?.subsets ?? [];
    return subsets.find(({ name }) => name === 'north')?.role;
  }

  /** Each invite and each departure stands beside an entry of the audit log, of the same transaction. */
  async function assertEveryChangeWhole(): Promise<void> {
    const records = await readEtcd(bed.etcd, 'hanse/roll/north/');
    const audited = new Set(
      records.filter(({ key }) => key.includes('/audit/')).map((each) => each.createRevision),
    );
    const changed = records.filter(({ key }) => /\/(invite|member)\//.test(key));
    assert.deepEqual(
      changed.filter(({ modRevision }) => !audited.has(modRevision)).map(({ key }) => key),
      [],
    );
  }
});
