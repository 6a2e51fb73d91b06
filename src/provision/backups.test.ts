import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dyingStore } from '../../test/support/dying-store.ts';
import { masterOptions, type World, worldWithVpn } from '../../test/support/provisioned-world.ts';
import { parseMasterName, parseSubsetName } from '../model/names.ts';
import { encodeRecord } from '../model/records/codec.ts';
import type { ActingRecord } from '../model/records/directory.ts';
import { actingKey, authorityKey, authorityPrefix } from '../store/keys.ts';
import { changeBackups } from './change-backups.ts';
import { createMaster } from './create-master.ts';
import { createSubset } from './create-subset.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { readDirectoryRecords } from './directory-records.ts';

const europe = parseSubsetName('europe');
const names = (...texts: string[]) => texts.map(parseMasterName);

/** Europe, which fra governs and ams backs up, and further masters. */
async function worldWithEurope(): Promise<World> {
  const world = await worldWithVpn();
  for (const name of ['fra', 'ams', 'lon', 'sin']) {
    await createMaster(masterOptions(name, world), world.dependencies);
  }
  const [acting = parseMasterName('fra'), ...backups] = names('fra', 'ams');
  const { rootKeyPath } = world;
  await createSubset({ name: europe, acting, backups, rootKeyPath }, world.dependencies);
  return world;
}

const change = (world: World, backups: readonly string[], dependencies = world.dependencies) =>
  changeBackups(
    { subset: europe, backups: names(...backups), rootKeyPath: world.rootKeyPath },
    dependencies,
  );

async function backupsOf({ store, storeUrl }: ProvisionDependencies): Promise<readonly string[]> {
  const { subsets } = await readDirectoryRecords(store, storeUrl);
  return subsets[0]?.backups ?? [];
}

async function authoritiesOf({ store }: ProvisionDependencies): Promise<readonly string[]> {
  const prefix = authorityPrefix(europe);
  const { entries } = await store.range(prefix);
  return entries.map(({ key }) => key.slice(prefix.length));
}

test('new backups get an authority, those that are none any more lose theirs, the others keep theirs', async () => {
  await using world = await worldWithEurope();
  const { store } = world.dependencies;
  const key = authorityKey(europe, parseMasterName('ams'));
  const before = await store.get(key);
  const record = await change(world, ['lon', 'ams']);
  assert.deepEqual(record.backups, ['lon', 'ams']);
  assert.deepEqual(await backupsOf(world.dependencies), ['lon', 'ams']);
  assert.deepEqual(await authoritiesOf(world.dependencies), ['ams', 'fra', 'lon']);
  assert.deepEqual(await store.get(key), before);
  await change(world, []);
  assert.deepEqual(await authoritiesOf(world.dependencies), ['fra']);
});

test('a crash at any moment leaves every serving master its authority, and can be run again', async () => {
  for (let lives = 0; lives < 3; lives += 1) {
    await using world = await worldWithEurope();
    const { dependencies } = world;
    const dying = { ...dependencies, store: dyingStore(dependencies.store, lives) };
    await assert.rejects(change(world, ['sin'], dying), /died/);
    const authorities = new Set(await authoritiesOf(dependencies));
    const serving = ['fra', ...(await backupsOf(dependencies))];
    assert.deepEqual(
      serving.filter((master) => !authorities.has(master)),
      [],
    );
    await change(world, ['sin']);
    assert.deepEqual(await authoritiesOf(dependencies), ['fra', 'sin']);
  }
});

test('two changes at once end as one of them, with the authorities that it takes', async () => {
  await using world = await worldWithEurope();
  await Promise.all([
    change(world, ['lon', 'sin']),
    change(world, ['sin', 'ams']),
    change(world, []),
  ]);
  const backups = await backupsOf(world.dependencies);
  const authorities = await authoritiesOf(world.dependencies);
  for (const master of ['fra', ...backups]) assert.ok(authorities.includes(master), master);
});

test('masters that cannot be backups are refused, with what would be right', async () => {
  await using world = await worldWithEurope();
  await assert.rejects(change(world, ['fra']), { code: 'invalid', message: /own master/ });
  await assert.rejects(change(world, ['ams', 'ams']), { message: /backup ams is named twice/ });
  await assert.rejects(change(world, ['nyc']), {
    code: 'unknown-master',
    message: /no master nyc; the VPN has: fra, ams, lon, sin/,
  });
  const nine = Array.from({ length: 9 }, (_, index) => `m${index}`);
  await assert.rejects(change(world, nine), { message: /at most 8/ });
  const mars = { subset: parseSubsetName('mars'), backups: [], rootKeyPath: world.rootKeyPath };
  await assert.rejects(changeBackups(mars, world.dependencies), {
    code: 'unknown-subset',
    message: /no subset mars; the VPN has: europe/,
  });
  assert.deepEqual(await backupsOf(world.dependencies), ['ams']);
});

test('a backup that acts now stays one until it has given the subset back', async () => {
  await using world = await worldWithEurope();
  const record: ActingRecord = {
    version: 1,
    subset: europe,
    master: parseMasterName('ams'),
    leaseRevision: 7,
    change: 'took-over',
    sinceMs: 1,
  };
  const { store } = world.dependencies;
  await store.transact({
    if: [],
    then: [{ put: actingKey(europe), value: encodeRecord(record) }],
  });
  await assert.rejects(change(world, ['lon']), {
    code: 'still-acting',
    message: /ams acts for europe now.*hanse master return fra/,
  });
  assert.deepEqual((await change(world, ['lon', 'ams'])).backups, ['lon', 'ams']);
});
