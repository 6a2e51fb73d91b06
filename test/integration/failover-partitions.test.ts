import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { MasterStatus } from '../../src/api/status-endpoints.ts';
import { FailoverBed } from '../support/lab/failover-bed.ts';
import { readMembership } from '../support/lab/member-session.ts';
import { until } from '../support/until.ts';

/** Certificates are renewed while a test looks on. */
const lifetimes = ['--certificate-lifetime', '40s'];
const slowMs = 60_000;

describe('two nodes that lose each other and nobody else', { timeout: 600_000 }, () => {
  let bed: FailoverBed;

  before(async () => {
    bed = await FailoverBed.start(lifetimes);
  });
  beforeEach(() => bed.mend());
  after(() => bed?.[Symbol.asyncDispose]());

  it('a member without its acting master is served by its backup, and only its own packets notice', async () => {
    const [across, , between] = bed.flows;
    const standing = await bed.standing([bed.neighbour, bed.outer, bed.far]);
    const traffic = await bed.startTraffic();
    await bed.separate(['near'], ['one']);
    await bed.untilServed(bed.near, 'two');
    await bed.assertActing('one');
    await standing.assertHeld();
    await untilShown({ acting: 'one', sessionWith: 'two' });
    await traffic.assertLosses([across.name, between.name]);
  });

  it('a member without its acting master is renewed and acknowledges through its backup', async () => {
    await bed.separate(['near'], ['one']);
    await bed.untilServed(bed.near, 'two');
    const gone = await bed.vpn.join('gone', 'north');
    const evicted = await bed.hanse(['member', 'evict', gone.reference, '--wait', '20s', '--json']);
    assert.equal(evicted.exitCode, 0, evicted.output);
    const steps = evicted.output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { type: string; master?: string; member?: string });
    const acknowledged = steps.flatMap(({ type, member }) =>
      type === 'acknowledged' ? [member] : [],
    );
    assert.ok(acknowledged.includes('near'), evicted.output);
    const endsAtMs = async () => (await readMembership(bed.near))?.certificateEndsAtMs ?? 0;
    const before = await endsAtMs();
    await until('its certificate is renewed', async () => (await endsAtMs()) > before, slowMs);
    assert.equal((await bed.whereabouts(bed.near)).session, 'two');
  });

  it('another subset’s master without the acting one sends through a backup, and nothing else moves', async () => {
    const [, , between, from] = bed.flows;
    const standing = await bed.standing();
    const traffic = await bed.startTraffic();
    await bed.separate(['four'], ['one']);
    await until('four has noticed', async () => (await isAlive('one', 'four')) === false, slowMs);
    assert.ok(await isAlive('two', 'four'));
    await traffic.assertLosses([between.name, from.name]);
    await bed.assertActing('one');
    await standing.assertHeld();
  });

  it('a member without its backup goes on as if nothing had been', async () => {
    const standing = await bed.standing();
    const traffic = await bed.startTraffic();
    await bed.separate(['near'], ['two']);
    await until('near has noticed', async () => (await hasPath('two')) === false, slowMs);
    await traffic.assertLosses();
    await bed.assertActing('one');
    await standing.assertHeld();
  });

  it('an acting master and a backup without each other go on as if nothing had been', async () => {
    const standing = await bed.standing();
    const traffic = await bed.startTraffic();
    await bed.separate(['one'], ['two']);
    await until('two has noticed', async () => (await isAlive('one', 'two')) === false, slowMs);
    await traffic.assertLosses();
    await bed.assertActing('one');
    await standing.assertHeld();
  });

  /** Masters hear from each other where a session is now. */
  function untilShown(expected: {
    readonly acting: string;
    readonly sessionWith: string;
  }): Promise<unknown> {
    return until(
      `it is shown so: ${JSON.stringify(expected)}`,
      async () => {
        const shown = (await bed.hanseJson(['member', 'show', 'near.north'])) as typeof expected;
        const { acting, sessionWith } = shown;
        return acting === expected.acting && sessionWith === expected.sessionWith;
      },
      slowMs,
    );
  }

  /** Whether a master says that another one answers it through the backbone. */
  async function isAlive(other: string, to: string): Promise<boolean | undefined> {
    const answer = await bed.hanseJson(['status', '--master', to]);
    const { masters } = answer as { masters: { status?: MasterStatus }[] };
    return masters[0]?.status?.masters.find(({ name }) => name === other)?.isAlive;
  }

  /** Whether near's tunnel to the master is alive. */
  async function hasPath(master: string): Promise<boolean | undefined> {
    const membership = await readMembership(bed.near);
    return membership?.masters.find(({ name }) => name === master)?.path?.isAlive;
  }
});
