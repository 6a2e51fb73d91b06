import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EtcdCluster } from '../../lab/etcd/etcd-cluster.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { Change } from '../../src/store/store.ts';
import { StoreProcess } from '../contract/store/store-process.ts';
import { until } from '../support/until.ts';

const hosts = ['etcd-1', 'etcd-2', 'etcd-3'];
const everything = { kind: 'watch', options: { prefixes: ['key'], afterRevision: 1 } } as const;
const deadlineMs = 60_000;

/** Three members on hosts of their own, and a client elsewhere. */
function createNetwork(): Promise<Lab> {
  return createLab({
    topology: { sites: [{ name: 'fra', hosts: [...hosts, 'client'] }] },
  });
}

function startCluster(lab: Lab): Promise<EtcdCluster> {
  const members = hosts.map((host) => ({ node: lab.node(host), link: lab.link(host) }));
  return EtcdCluster.start({ members, tuning: 'fast' });
}

test('cut off with a minority, a client is refused changes and goes on reading, and its watch misses nothing', async () => {
  await using lab = await createNetwork();
  await using cluster = await startCluster(lab);
  const url = cluster.url('/partition');
  const startIn = (host: string) => StoreProcess.start(url, lab.node(host).namespace);
  const leader = await cluster.leader();
  const index = cluster.members.indexOf(leader);
  await using inside = await startIn(hosts[index] ?? '');
  await using outside = await startIn('client');
  inside.tell(everything);
  assert.equal((await outside.attempt('put', 'key/before')).outcome, 'done');
  await until('it was seen', () => keysOf(inside).includes('key/before'), deadlineMs);

  await leader.isolate();
  await until(
    'the others have chosen another leader',
    async () => (await outside.attempt('put', 'key/meanwhile')).outcome === 'done',
    deadlineMs,
  );
  await until(
    'the minority has noticed',
    async () => (await inside.attempt('put', 'key/refused')).outcome === 'unavailable',
    deadlineMs,
  );
  const read = await inside.attempt('get', 'key/before');
  assert.deepEqual(read, { kind: 'attempted', outcome: 'done', value: 'value' });
  assert.equal((await outside.attempt('put', 'key/after')).outcome, 'done');
  assert.deepEqual(
    keysOf(inside).filter((key) => key !== 'key/before'),
    [],
    'it cannot know',
  );

  await leader.rejoin();
  await until('it has caught up', () => keysOf(inside).includes('key/after'), deadlineMs);
  await until(
    'changes are made again',
    async () => (await inside.attempt('put', 'key/end')).outcome === 'done',
    deadlineMs,
  );
  await until('the last one was seen', () => keysOf(inside).includes('key/end'), deadlineMs);
  outside.tell(everything);
  await until('all was seen', () => keysOf(outside).includes('key/end'), deadlineMs);
  assert.deepEqual(revisionsOf(inside), revisionsOf(outside), 'changes were missed or repeated');
});

test('whichever member is cut off, a client that reaches the others works on and its watch moves', async () => {
  await using lab = await createNetwork();
  await using cluster = await startCluster(lab);
  const client = await StoreProcess.start(cluster.url('/moves'), lab.node('client').namespace);
  await using _ = client;
  client.tell(everything);
  for (const [index, member] of cluster.members.entries()) {
    await member.isolate();
    const key = `key/${index}`;
    await until(
      'a change is made',
      async () => (await client.attempt('put', key)).outcome === 'done',
      deadlineMs,
    );
    await until('it is seen', () => keysOf(client).includes(key), deadlineMs);
    await member.rejoin();
    await cluster.leader();
  }
  const revisions = revisionsOf(client);
  assert.deepEqual(
    revisions,
    [...new Set(revisions)].toSorted((one, other) => one - other),
  );
});

function keysOf({ changes }: StoreProcess): string[] {
  return changes.map((change) => (change.kind === 'put' ? change.entry.key : change.key));
}

function revisionsOf({ changes }: StoreProcess): number[] {
  const revisionOf = (change: Change): number =>
    change.kind === 'put' ? change.entry.modRevision : change.revision;
  return changes.map(revisionOf);
}
