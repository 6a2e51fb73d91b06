import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { dyingStore } from '../../test/support/dying-store.ts';
import { masterOptions, type World, worldWithVpn } from '../../test/support/provisioned-world.ts';
import { parseMasterName, parseRegionName, parseSubsetName } from '../model/names.ts';
import type { SubsetRecord } from '../model/records/directory.ts';
import { authorityKey, regionIdentityKey, rollPrefix, subsetKeyKey } from '../store/keys.ts';
import { openStore } from '../store/open-store.ts';
import { RollStores } from '../store/roll-stores.ts';
import type { Store } from '../store/store.ts';
import { changeBackups } from './change-backups.ts';
import { createMaster } from './create-master.ts';
import { createRegion } from './create-region.ts';
import { createSubset } from './create-subset.ts';
import type { ProvisionDependencies } from './create-vpn.ts';
import { readDirectoryRecords } from './directory-records.ts';

const eu = parseRegionName('eu');
const europe = parseSubsetName('europe');
const fra = parseMasterName('fra');
const ams = parseMasterName('ams');

const urlOf = (world: World, file: string) =>
  `sqlite:${join(world.dependencies.directory.path, file)}`;
const makeRegion = (world: World, dependencies = world.dependencies) =>
  createRegion({ name: eu, store: urlOf(world, 'eu.db') }, dependencies);
const makeEurope = (world: World, dependencies: ProvisionDependencies) =>
  createSubset(
    { name: europe, acting: fra, backups: [ams], region: eu, rootKeyPath: world.rootKeyPath },
    dependencies,
  );

async function worldWithMasters(): Promise<World> {
  const world = await worldWithVpn();
  for (const name of ['fra', 'ams', 'lon']) {
    await createMaster(masterOptions(name, world), world.dependencies);
  }
  return world;
}

async function keysIn(store: Store): Promise<readonly string[]> {
  return (await store.range('')).entries.map(({ key }) => key);
}

test('the roll of a region’s subset is in the region’s store and in no other', async () => {
  await using world = await worldWithMasters();
  const { dependencies } = world;
  const region = await makeRegion(world);
  const record = await makeEurope(world, dependencies);
  assert.equal(record.region, 'eu');
  await using regional = await openStore(region.store);
  assert.deepEqual(await keysIn(regional), [
    regionIdentityKey,
    authorityKey(europe, ams),
    authorityKey(europe, fra),
    subsetKeyKey(europe, 1),
  ]);
  const { entries } = await dependencies.store.range(rollPrefix(europe));
  assert.deepEqual(entries, []);
  const { regions } = await readDirectoryRecords(dependencies.store, dependencies.storeUrl);
  assert.deepEqual(regions, [region]);
});

test('a region and a subset in it are made again after a crash between the two stores', async () => {
  await using world = await worldWithMasters();
  const { dependencies } = world;
  const dying = { ...dependencies, store: dyingStore(dependencies.store) };
  await assert.rejects(makeRegion(world, dying), /died/);
  await makeRegion(world);
  await assert.rejects(makeEurope(world, dying), /died/);
  const record = await makeEurope(world, dependencies);
  await using stores = new RollStores({ directory: dependencies.store });
  const rolls = await stores.of(record);
  assert.ok(await rolls.get(subsetKeyKey(europe, 1)));
  await assert.rejects(makeEurope(world, dependencies), { code: 'exists' });
});

test('backups change in the region’s store', async () => {
  await using world = await worldWithMasters();
  await makeRegion(world);
  await makeEurope(world, world.dependencies);
  const { rootKeyPath, dependencies } = world;
  await changeBackups(
    { subset: europe, backups: [parseMasterName('lon')], rootKeyPath },
    dependencies,
  );
  await using regional = await openStore(urlOf(world, 'eu.db'));
  const keys = await keysIn(regional);
  assert.ok(keys.includes(authorityKey(europe, parseMasterName('lon'))));
  assert.ok(!keys.includes(authorityKey(europe, ams)));
  assert.deepEqual((await dependencies.store.range('roll/')).entries, []);
});

test('a store that holds something else becomes no region', async () => {
  await using world = await worldWithMasters();
  await using stranger = await worldWithVpn();
  const { dependencies } = world;
  const make = (name: string, store: string) =>
    createRegion({ name: parseRegionName(name), store }, dependencies);
  await assert.rejects(make('eu', dependencies.storeUrl), { message: /holds a VPN's directory/ });
  await assert.rejects(make('eu', stranger.dependencies.storeUrl), {
    message: /holds a VPN's directory/,
  });
  const used = urlOf(world, 'used.db');
  await using store = await openStore(used);
  await store.transact({ if: [], then: [{ put: 'roll/a/lease', value: new Uint8Array() }] });
  await assert.rejects(make('eu', used), { code: 'exists', message: /not empty/ });
  await makeRegion(world);
  await assert.rejects(make('eu', urlOf(world, 'eu2.db')), { code: 'exists' });
  await assert.rejects(make('asia', urlOf(world, 'eu.db')), {
    code: 'exists',
    message: /belongs to region eu already/,
  });
  const vpnStore = { ...stranger.dependencies };
  await assert.rejects(createRegion({ name: eu, store: urlOf(world, 'eu.db') }, vpnStore), {
    message: /a region of another VPN/,
  });
});

test('a subset in a region that does not exist is refused', async () => {
  await using world = await worldWithMasters();
  await assert.rejects(makeEurope(world, world.dependencies), {
    code: 'unknown-region',
    message: /no region eu; the VPN has: none yet/,
  });
});

test('a mistaken URL takes no roll out of its region, and stops no other', async () => {
  await using world = await worldWithMasters();
  const { dependencies } = world;
  await makeRegion(world);
  const directory = dependencies.store;
  const inRegion = { region: eu } as SubsetRecord;
  await using other = await openStore(urlOf(world, 'other.db'));
  await using mistaken = new RollStores({ directory, urls: { eu: urlOf(world, 'other.db') } });
  await assert.rejects(mistaken.of(inRegion), {
    code: 'wrong-region',
    message: /other\.db is not that of region eu: it holds no region/,
  });
  assert.deepEqual(await keysIn(other), []);
  assert.equal(await mistaken.of({}), directory);
  await using away = new RollStores({ directory, urls: { eu: 'sqlite:/nonexistent/eu.db' } });
  await assert.rejects(away.of(inRegion));
  assert.equal(await away.of({}), directory);
  await assert.rejects(away.of({ region: parseRegionName('asia') }), { code: 'unknown-region' });
});

test('a region’s store is opened once, and anew after it could not be', async () => {
  await using world = await worldWithMasters();
  const directory = world.dependencies.store;
  await using stores = new RollStores({ directory });
  await assert.rejects(stores.of({ region: eu }), { code: 'unknown-region' });
  await makeRegion(world);
  const [one, two] = await Promise.all([stores.of({ region: eu }), stores.of({ region: eu })]);
  assert.equal(one, two);
});
