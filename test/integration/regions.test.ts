import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EtcdCluster } from '../../lab/etcd/etcd-cluster.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import type { InviteView } from '../../src/api/invite-endpoints.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import type { AuditRecord } from '../../src/model/records/audit.ts';
import { readEtcd } from '../support/lab/etcd-records.ts';
import { hanseOutcome } from '../support/lab/hanse-outcome.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { reaches } from '../support/lab/reachability.ts';
import { findTraces, type Trace } from '../support/lab/traces.ts';
import { until } from '../support/until.ts';

/** Names that nothing else contains. */
const members = ['anneliese', 'balthasar', 'clementine'] as const;
const topology = {
  sites: [
    { name: 'world-net', hosts: ['etcd-world', 'sin', 'wanderer'] },
    { name: 'eu-net', hosts: ['etcd-eu', 'fra', 'ams', ...members] },
  ],
};
/** The subsets of the masters' own have their rolls beside the directory. */
const masters = [
  { host: 'sin', subset: 'asia' },
  { host: 'fra', subset: 'lobby' },
  { host: 'ams', subset: 'annex' },
];
const slowMs = 90_000;
/** Longer than a master waits for a roll when it starts. */
const withoutRollMs = 8_000;

describe('a subset whose roll is kept in a region', { timeout: 400_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let world: EtcdCluster;
  let eu: EtcdCluster;
  let anneliese: LabMember;
  let balthasar: LabMember;
  let wanderer: LabMember;
  const cleanup = new AsyncDisposableStack();
  const startEtcd = async (host: string) =>
    cleanup.use(
      await EtcdCluster.start({ members: [{ node: lab.node(host), link: lab.link(host) }] }),
    );
  const show = async (name: string) =>
    (await vpn.hanseJson(['member', 'show', `${name}.europe`])) as MemberView;

  before(async () => {
    lab = cleanup.use(await createLab({ topology }));
    [world, eu] = [await startEtcd('etcd-world'), await startEtcd('etcd-eu')];
    const store = world.url('/directory');
    vpn = await LabVpn.create(lab, {
      ...{ name: 'corp', masters, store },
      createOptions: ['--key-rotation', '10s'],
    });
    const region = ['--store', eu.url('/rolls'), '--directory-store', store];
    await vpn.hanse(['region', 'create', 'eu', ...region]);
    const serving = ['--acting', 'fra', '--backup', 'ams', '--region', 'eu', '--store', store];
    await vpn.hanse(['subset', 'create', 'europe', ...serving]);
    await vpn.startMasters();
    await vpn
      .master('fra')
      .process.waitForOutput(/"subset":"europe".*acting for the subset/, slowMs);
  });
  after(async () => cleanup.disposeAsync());

  it('is governed as any other: joins, an eviction, a rotation, a failover', async () => {
    const [first, second, , guest] = await Promise.all([
      ...members.map((name) => vpn.join(name, 'europe')),
      vpn.join('wanderer', 'asia'),
    ]);
    assert.ok(first && second && guest);
    [anneliese, balthasar, wanderer] = [first, second, guest];
    await vpn.invite('europe', ['--name', 'dorothea']);
    await vpn.hanse(['member', 'evict', 'clementine.europe', '--wait', '20s']);
    await vpn.master('fra').kill();
    await vpn.hanse(['invite', 'create', '--subset', 'europe']);
    const { epoch = 0 } = await untilSession(anneliese, 'live');
    await until(
      'its key has been rotated',
      async () => ((await readMembership(anneliese))?.epoch ?? 0) > epoch,
      slowMs,
    );
    await vpn.master('fra').start();
    assert.ok(await reaches(anneliese, balthasar.ipv4));
    assert.ok(await reaches(wanderer, anneliese.ipv6));
  });

  it('keeps its traffic when a master starts that cannot reach the region’s cluster', async () => {
    await untilSession(anneliese, 'live');
    const { masters: paths = [] } = (await readMembership(anneliese)) ?? {};
    const serving = vpn.master(paths.find(({ path }) => path?.inUse)?.name ?? 'nobody');
    const stream = await startMemberStream(anneliese, wanderer);
    await lab.link('etcd-eu').cut();
    await serving.kill();
    await serving.startAsBackup();
    await delay(withoutRollMs);
    assert.deepEqual((await stream.stop()).lost, []);
    const evicted = await hanseOutcome(
      lab.node('sin'),
      ['member', 'evict', balthasar.reference, '--wait', '5s'],
      { HANSE_DIR: vpn.directory },
    );
    assert.equal(evicted.exitCode, 4, evicted.output);
    await lab.link('etcd-eu').restore();
    await until('it is governed again', async () => (await show('anneliese')).session, slowMs);
    assert.ok(await reaches(wanderer, balthasar.ipv4));
  });

  it('leaves nothing of its roll in the directory’s cluster, in any revision', async () => {
    const traces = await tracesOfRoll();
    const current = await readEtcd(world);
    assert.ok(current.some(({ key }) => key === 'directory/directory/region/eu'));
    assert.deepEqual(
      current.filter(({ key }) => key.includes('roll/europe')),
      [],
    );
    assert.deepEqual(findTraces(await snapshotOf(world), traces), []);
    const found = findTraces(await snapshotOf(eu), traces);
    assert.deepEqual(
      found,
      traces.map(({ what }) => what),
      'what is looked for is where it belongs',
    );
  });

  it('leaves nothing of its roll in the files of the masters and of the operator', async () => {
    const traces = await tracesOfRoll();
    const entries = await readdir(vpn.directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    assert.ok(files.length > 10, 'the masters have files');
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name);
      assert.deepEqual(findTraces(await readFile(path), traces), [], path);
    }
  });

  /** All that the roll knows of people and machines. */
  async function tracesOfRoll(): Promise<readonly Trace[]> {
    const views = await Promise.all(members.map(show));
    const { invites } = (await vpn.hanseJson(['invite', 'list', '--subset', 'europe'])) as {
      invites: InviteView[];
    };
    const { entries } = (await vpn.hanseJson(['audit', '--subset', 'europe'])) as {
      entries: AuditRecord[];
    };
    const [rotation] = entries.filter(({ action }) => action === 'key-rotated');
    assert.ok(invites.length > 0 && rotation, 'the roll has what is looked for');
    return [
      ...views.flatMap(({ name, ipv4, ipv6, identityKey, keys }) => [
        { what: `the name ${name}`, bytes: Buffer.from(name) },
        { what: `the address of ${name}`, bytes: Buffer.from(`"${ipv4}"`) },
        { what: `the IPv6 address of ${name}`, bytes: Buffer.from(`"${ipv6}"`) },
        { what: `the identity of ${name}`, bytes: Buffer.from(identityKey) },
        { what: `the WireGuard key of ${name}`, bytes: Buffer.from(keys.acting) },
      ]),
      ...invites.map(({ id }) => ({ what: `the invite ${id}`, bytes: Buffer.from(id) })),
      { what: 'the name that an invite admits', bytes: Buffer.from('dorothea') },
      {
        what: 'the audit log',
        bytes: Buffer.from(`"atMs":${rotation.atMs},"action":"key-rotated"`),
      },
    ];
  }

  /** Its database as it is on the disk: earlier revisions too. */
  async function snapshotOf(cluster: EtcdCluster): Promise<Uint8Array> {
    const path = join(lab.directory, `snapshot-${cluster === eu ? 'eu' : 'world'}.db`);
    await cluster.control(['snapshot', 'save', path]);
    return readFile(path);
  }
});
