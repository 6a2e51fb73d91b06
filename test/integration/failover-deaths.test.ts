import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import type { MasterStatus } from '../../src/api/status-endpoints.ts';
import { FailoverBed } from '../support/lab/failover-bed.ts';
import { isCutOff, reaches } from '../support/lab/reachability.ts';
import { until } from '../support/until.ts';

/** Certificates are renewed while a test looks on. */
const lifetimes = ['--certificate-lifetime', '40s'];
const slowMs = 60_000;

describe('an acting master that fails', { timeout: 600_000 }, () => {
  let bed: FailoverBed;
  const all = () => bed.flows.map(({ name }) => name);

  before(async () => {
    bed = await FailoverBed.start(lifetimes);
  });
  beforeEach(() => bed.mend());
  after(() => bed?.[Symbol.asyncDispose]());

  it('loses no packet with its daemon, whose tunnels live, and a backup takes the lease', async () => {
    const traffic = await bed.startTraffic();
    await bed.vpn.master('one').kill();
    await bed.untilActing('two');
    await assertChangeAccepted();
    await traffic.assertLosses();
  });

  it('is replaced before its lease ends when its machine dies, by another backup for each block', async () => {
    assert.deepEqual(await orders(), [
      ['one', 'two', 'three'],
      ['one', 'three', 'two'],
    ]);
    const traffic = await bed.startTraffic();
    await bed.vpn.master('one').node.crash();
    await assertSplit();
    await assertChangeAccepted();
    await traffic.assertLosses(all());
  });

  it('is replaced before its lease ends when its link is pulled silently, and gives up the subset on its side', async () => {
    const traffic = await bed.startTraffic();
    await bed.lab.link('one').cut();
    await assertSplit();
    await assertChangeAccepted();
    await until(
      'it has given up the subset',
      async () => (await roleOnItsOwnMachine()) === 'backup',
      slowMs,
    );
    await traffic.assertLosses(all());
  });

  it('leaves a backup that admits, renews and evicts, with certificates of its own', async () => {
    const gone = await bed.vpn.join('gone', 'north');
    assert.equal(await issuerOf(gone), 'one');
    await bed.vpn.master('one').node.crash();
    await bed.untilActing('two');
    const invite = await bed.vpn.hanse(['invite', 'create', '--subset', 'north'], { on: 'four' });
    const late = await bed.vpn.join('late', 'north', { token: invite.trim() });
    assert.equal(await issuerOf(late), 'two');
    assert.ok(await reaches(late, bed.far.ipv4));
    // Outer uses three, which passes its renewals on.
    for (const member of [bed.near, bed.outer]) {
      const what = `${member.name} has a certificate of two`;
      await until(what, async () => (await issuerOf(member)) === 'two', slowMs);
    }
    const evicted = await bed.hanse(['member', 'evict', gone.reference, '--wait', '20s']);
    assert.equal(evicted.exitCode, 0, evicted.output);
    assert.match(evicted.output, /gone\.north is evicted by two/);
    assert.ok(await isCutOff(gone, bed.far.ipv4));
    await bed.hanse(['member', 'evict', late.reference, '--wait', '20s']);
  });

  /** Each member is served by the first backup of its block, and the subset's first acts. */
  async function assertSplit(): Promise<void> {
    await bed.untilActing('two');
    await bed.untilServed(bed.near, 'two');
    await bed.untilServed(bed.neighbour, 'three');
    await bed.untilServed(bed.outer, 'three');
    const shown = (await bed.hanseJson(['member', 'show', 'outer.north'])) as {
      acting: string;
      sessionWith: string;
    };
    assert.deepEqual([shown.acting, shown.sessionWith], ['two', 'three']);
  }

  async function assertChangeAccepted(): Promise<void> {
    const { exitCode, output } = await bed.hanse(['invite', 'create', '--subset', 'north']);
    assert.equal(exitCode, 0, output);
  }

  async function orders(): Promise<readonly string[][]> {
    const subset = await bed.hanseJson(['subset', 'backups', 'north']);
    const { blocks } = subset as { blocks: { order: string[] }[] };
    return blocks.slice(0, 2).map(({ order }) => order);
  }

  async function roleOnItsOwnMachine(): Promise<string | undefined> {
    const answer = await bed.hanseJson(['status', '--master', 'one'], 'one');
    const { masters } = answer as { masters: { status?: MasterStatus }[] };
    return masters[0]?.status?.subsets.find(({ name }) => name === 'north')?.role;
  }
});

/** Whose intermediate the member's certificate is from. */
async function issuerOf(member: LabMember): Promise<string | undefined> {
  const folder = join(member.directory, 'member', 'memberships', `hanse.${member.subset}`);
  const text = await readFile(join(folder, 'membership.json'), 'utf8');
  const { chain } = JSON.parse(text) as { chain: readonly string[] };
  return /CN=(\S+)/.exec(new X509Certificate(chain[0] ?? '').issuer)?.[1];
}
