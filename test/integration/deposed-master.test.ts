import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ApiError } from '../../src/api/client/client-error.ts';
import { createInvite, listInvites } from '../../src/api/invite-endpoints.ts';
import { getStatus } from '../../src/api/status-endpoints.ts';
import { parseMasterName, parseSubsetName } from '../../src/model/names.ts';
import { type AuditRecord, auditRecordSchema } from '../../src/model/records/audit.ts';
import { readEtcd } from '../support/lab/etcd-records.ts';
import type { LabDoor } from '../support/lab/lab-door.ts';
import { type LabOperator, labOperator, openDoorTo } from '../support/lab/lab-operator.ts';
import { untilSession } from '../support/lab/member-session.ts';
import { reaches } from '../support/lab/reachability.ts';
import { ThreeMasters } from '../support/lab/three-masters.ts';
import { until } from '../support/until.ts';

const slowMs = 90_000;
const lubeck = parseMasterName('lubeck');
const baltic = parseSubsetName('baltic');
const concurrentChanges = 20;

/** Only a deposed master that has come back asks for its subset, and not within this test. */
const settle = '1h';

type Outcomes = Promise<PromiseSettledResult<{ readonly id: string }>[]>;

describe('an acting master that is paused', { timeout: 300_000 }, () => {
  let bed: ThreeMasters;
  let door: LabDoor;
  let operator: LabOperator;
  /** Asked of it before it was stopped. */
  let early: Outcomes;
  /** Asked of it while it stood still. */
  let late: Outcomes;
  /** Revision of the lease with which the backup began. */
  let takeover: number;

  const askForInvite = () =>
    operator.client.call(
      createInvite,
      { params: { subset: baltic }, body: {} },
      { master: lubeck },
    );
  const lease = async () => (await readEtcd(bed.etcd, 'hanse/roll/baltic/lease'))[0];

  before(async () => {
    bed = await ThreeMasters.start({ settle });
    const master = bed.vpn.master('lubeck');
    door = await openDoorTo(bed.lab, master);
    operator = await labOperator(bed.vpn, { master, endpoint: door.endpoint });
  });
  after(async () => {
    await door?.[Symbol.asyncDispose]();
    await bed?.[Symbol.asyncDispose]();
  });

  it('is replaced by its first backup, which changes the roll', async () => {
    const begun = Array.from({ length: concurrentChanges }, askForInvite);
    early = Promise.allSettled(begun);
    await Promise.race(begun);
    await bed.vpn.master('lubeck').process.kill('SIGSTOP');
    await bed.untilActing('bergen', 'baltic');
    takeover = (await lease())?.modRevision ?? 0;
    assert.match((await lease())?.text ?? '', /"master":"bergen"/);
    const { exitCode, output } = await bed.hanse(['invite', 'create', '--subset', 'baltic']);
    assert.equal(exitCode, 0, output);
    // They reach its kernel now, and itself at the moment of its waking.
    late = Promise.allSettled(Array.from({ length: concurrentChanges }, askForInvite));
  });

  it('makes no change when it wakes up, neither one that it had begun nor one that waited for it', async () => {
    await bed.vpn.master('lubeck').process.kill('SIGCONT');
    assert.deepEqual(refusalsOf(await late), Array(concurrentChanges).fill('not-acting'));
    // Whatever has become of the others, none was made later than the backup's beginning.
    const made = new Set((await early).flatMap((each) => ('value' in each ? [each.value.id] : [])));
    for (const { key, createRevision } of await readEtcd(bed.etcd, 'hanse/roll/baltic/invite/')) {
      if (!made.has(key.split('/').at(-1) ?? '')) continue;
      assert.ok(createRevision < takeover, `${key} was made by a deposed master`);
    }
    await assert.rejects(askForInvite, { name: ApiError.name, code: 'not-acting' });
  });

  it('becomes a backup, which follows the roll and serves those who use it', async () => {
    const { exitCode, output } = await bed.hanse(['member', 'evict', 'db.baltic', '--wait', '20s']);
    assert.equal(exitCode, 0, output);
    await until(
      'it follows the roll',
      async () => {
        const status = await operator.client.call(getStatus, {}, { master: lubeck });
        const own = status.subsets.find(({ name }) => name === baltic);
        return own?.role === 'backup' && own.members === 1;
      },
      slowMs,
    );
    const { masters } = (await bed.hanseJson(['master', 'list'])) as {
      masters: { name: string; actsFor: string[]; backsUp: string[]; isAlive: boolean }[];
    };
    const listed = masters.find(({ name }) => name === 'lubeck');
    assert.equal(listed?.isAlive, true);
    assert.deepEqual(listed?.actsFor, []);
    assert.ok(listed?.backsUp.includes('baltic'));
    await untilSession(bed.web, 'live');
    assert.ok(await reaches(bed.web, bed.camera.ipv4));
  });

  it('passes on what an operator asks by it', async () => {
    const { exitCode, output } = await bed.hanse(
      ['invite', 'create', '--subset', 'baltic'],
      'lubeck',
    );
    assert.equal(exitCode, 0, output);
    const { invites } = await operator.client.call(listInvites, { params: { subset: baltic } });
    assert.ok(invites.length > 1);
  });

  it('has written nothing of the roll since it was replaced', async () => {
    const records = await readEtcd(bed.etcd, 'hanse/roll/baltic/');
    // Who holds the lease is no change of the roll.
    const changed = records.filter(
      ({ key, modRevision }) => modRevision > takeover && !key.endsWith('/lease'),
    );
    const audit = changed.flatMap(({ key, text, modRevision }) =>
      key.includes('/audit/')
        ? [{ ...auditRecordSchema.parse(JSON.parse(text)), modRevision }]
        : [],
    );
    assert.deepEqual([...new Set(audit.map(({ master }) => master))], ['bergen']);
    const accounted = new Set(audit.map(({ modRevision }) => modRevision));
    const unexplained = changed.filter(({ modRevision }) => !accounted.has(modRevision));
    assert.deepEqual(
      unexplained.map(({ key }) => key),
      [],
      'every change is in one transaction with an entry of the audit log',
    );
    assert.deepEqual(
      (await bed.failovers('baltic')).map(({ change, from, to }) => ({ change, from, to })),
      [
        { change: 'started', from: undefined, to: 'lubeck' },
        { change: 'took-over', from: 'lubeck', to: 'bergen' },
      ],
    );
    await assertAuditFollows();
  });

  /** What the operator is shown: lubeck's entries, and then bergen's. */
  async function assertAuditFollows(): Promise<void> {
    const line = ['audit', '--subset', 'baltic', '--limit', '1000'];
    const { entries } = (await bed.hanseJson(line)) as { entries: AuditRecord[] };
    const authors = entries.toReversed().map(({ master }) => master);
    const first = authors.indexOf(parseMasterName('bergen'));
    assert.ok(first > 0);
    assert.ok(authors.slice(0, first).every((master) => master === lubeck));
    assert.ok(authors.slice(first).every((master) => master === 'bergen'));
    assert.equal(entries.toReversed()[first]?.action, 'acting-changed');
  }
});

/** The codes of those that were refused. */
function refusalsOf(outcomes: Awaited<Outcomes>): readonly string[] {
  return outcomes.flatMap((outcome) => {
    if (outcome.status === 'fulfilled') return [];
    assert.ok(outcome.reason instanceof ApiError, String(outcome.reason));
    return [outcome.reason.code];
  });
}
