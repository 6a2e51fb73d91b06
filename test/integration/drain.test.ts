import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { DirectoryView } from '../../src/api/directory-endpoints.ts';
import type { DrainProgress } from '../../src/api/failover-endpoints.ts';
import type { MasterStatus } from '../../src/api/status-endpoints.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { ThreeMasters } from '../support/lab/three-masters.ts';
import { until } from '../support/until.ts';

const slowMs = 90_000;
/** A master that is not drained has its subset back soon after this. */
const settleMs = 1_000;
/** So long after its start a master would have taken its subset back many times. */
const longSettledMs = 8 * settleMs;
const failedExitCode = 1;

interface ListedMaster {
  readonly name: string;
  readonly actsFor: readonly string[];
  readonly backsUp: readonly string[];
  readonly drainedSinceMs?: number;
  readonly lastFailover?: { readonly subset: string; readonly change: string };
}

describe('a master that is taken out of service', { timeout: 400_000 }, () => {
  let bed: ThreeMasters;
  const listed = async (name: string) => {
    const { masters } = (await bed.hanseJson(['master', 'list'])) as { masters: ListedMaster[] };
    return masters.find((master) => master.name === name);
  };
  const orders = async () => {
    const subset = await bed.hanseJson(['subset', 'backups', 'baltic']);
    return (subset as DirectoryView['subsets'][number]).blocks.map(({ order }) => order);
  };
  const sessionMaster = async (member: ThreeMasters['web']) =>
    (await readMembership(member))?.session.master;

  before(async () => {
    bed = await ThreeMasters.start({ settle: `${settleMs}ms` });
  });
  after(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  it('hands over its subset and its sessions, and no packet is lost', async () => {
    assert.equal(await sessionMaster(bed.web), 'lubeck');
    await bed.untilPathsSettle();
    const traffic = await bed.startTraffic();
    const { exitCode, output } = await bed.hanse(['master', 'drain', 'lubeck']);
    assert.equal(exitCode, 0, output);
    assert.match(output, /baltic is handed over to bergen/);
    assert.match(output, /lubeck is empty/);
    for (const member of [bed.web, bed.db]) {
      const { session } = await untilSession(member, 'live');
      assert.equal(session.master, 'bergen');
    }
    for (const member of [bed.web, bed.db]) await bed.untilUsing('bergen', member);
    assert.deepEqual(await traffic.lostUntilCalm(), []);
  });

  it('is shown as drained, with who acts instead of it', async () => {
    const master = await listed('lubeck');
    assert.ok(master?.drainedSinceMs);
    assert.deepEqual(master.actsFor, []);
    assert.ok(master.backsUp.includes('baltic'));
    assert.deepEqual((await listed('bergen'))?.lastFailover?.subset, 'baltic');
    for (const order of await orders()) assert.equal(order.at(-1), 'lubeck', 'it is used last');
    const [last] = (await bed.failovers('baltic')).slice(-1);
    assert.deepEqual([last?.change, last?.from, last?.to], ['handed-over', 'lubeck', 'bergen']);
    const member = (await bed.hanseJson(['member', 'show', 'web.baltic'])) as {
      acting: string;
      sessionWith: string;
      masters: { name: string; session?: object; tunnel?: { handshakeAgeMs?: number } }[];
    };
    assert.deepEqual([member.acting, member.sessionWith], ['bergen', 'bergen']);
    assert.equal(member.masters.length, 3);
    for (const { name, tunnel } of member.masters) assert.ok(tunnel, `a tunnel to ${name} is up`);
  });

  it('is shown so to people too', async () => {
    const shows = async (line: readonly string[], pattern: RegExp) => {
      const { exitCode, output } = await bed.hanse(line);
      assert.equal(exitCode, 0, output);
      assert.match(output, pattern);
    };
    await shows(['master', 'list'], /^lubeck +\S+ +yes, \d+ \S+ +\d+ \S+ +- +\S*baltic/m);
    await shows(['master', 'list'], /^bergen .*baltic.*handed-over baltic/m);
    await shows(['failover', 'history'], /baltic +handed-over +lubeck +bergen/);
    await shows(['subset', 'backups', 'baltic'], /bergen, bruges, lubeck/);
    await shows(['subset', 'list'], /baltic +bergen \(home lubeck\)/);
    await shows(['member', 'show', 'web.baltic'], /^session +with bergen/m);
  });

  it('takes nothing back by itself, also after a restart', async () => {
    const lubeck = bed.vpn.master('lubeck');
    assert.equal(await lubeck.process.stop(slowMs), 0);
    await lubeck.startAsBackup();
    await until(
      'it has long been well',
      async () => (await upMs('lubeck')) > longSettledMs,
      slowMs,
    );
    assert.deepEqual((await listed('lubeck'))?.actsFor, []);
    assert.equal((await bed.subset('baltic')).acting, 'bergen');
    assert.equal(await sessionMaster(bed.web), 'bergen');
  });

  it('comes home when the operator returns it, and no packet is lost', async () => {
    const traffic = await bed.startTraffic();
    const { exitCode, output } = await bed.hanse(['master', 'return', 'lubeck']);
    assert.equal(exitCode, 0, output);
    assert.match(output, /baltic +yes/);
    await bed.untilActing('lubeck', 'baltic');
    await until('sessions follow', async () => (await sessionMaster(bed.web)) === 'lubeck', slowMs);
    for (const member of [bed.web, bed.db]) await bed.untilUsing('lubeck', member);
    assert.deepEqual(await traffic.lostUntilCalm(), []);
    assert.equal((await listed('lubeck'))?.drainedSinceMs, undefined);
    const [last] = (await bed.failovers('baltic')).slice(-1);
    assert.deepEqual([last?.change, last?.to], ['returned', 'lubeck']);
  });

  it('keeps its subset while nobody can take it, says why, and hands it over as soon as somebody can', async () => {
    const [bergen, bruges] = [bed.vpn.master('bergen'), bed.vpn.master('bruges')];
    await Promise.all([bergen.kill(), bruges.kill()]);
    const line = ['master', 'drain', 'lubeck', '--wait', '5s'];
    const human = await bed.hanse(line, 'lubeck');
    assert.equal(human.exitCode, failedExitCode, human.output);
    assert.match(human.output, /baltic stays for now: bergen: .*; bruges: /);
    assert.match(human.output, /lubeck is NOT empty yet/);
    const { exitCode, output } = await bed.hanse([...line, '--json'], 'lubeck');
    assert.equal(exitCode, failedExitCode, output);
    const steps = output
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as DrainProgress);
    assert.ok(steps.some((step) => step.type === 'kept' && step.subset === 'baltic'));
    const invite = await bed.hanse(['invite', 'create', '--subset', 'baltic'], 'lubeck');
    assert.equal(invite.exitCode, 0, 'it still acts');
    await bruges.startAsBackup();
    await bed.untilActing('bruges', 'baltic', 'bruges');
  });

  async function upMs(name: string): Promise<number> {
    const answer = await bed.hanseJson(['status', '--master', name]);
    const { masters } = answer as { masters: { status?: MasterStatus }[] };
    const startedAtMs = masters[0]?.status?.startedAtMs;
    return startedAtMs === undefined ? 0 : Date.now() - startedAtMs;
  }
});
