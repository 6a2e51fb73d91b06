import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dyingStore } from '../../test/support/dying-store.ts';
import { masterOptions, type World, worldWithVpn } from '../../test/support/provisioned-world.ts';
import {
  parseMasterName,
  parseRegionName,
  parseSubsetName,
  type SubsetName,
} from '../model/names.ts';
import { type Prefix, parsePrefix } from '../model/prefix.ts';
import { decodeRecord, encodeRecord } from '../model/records/codec.ts';
import { type SubsetRecord, subsetRecordSchema } from '../model/records/directory.ts';
import { authorityRecordSchema } from '../model/records/roll.ts';
import { authorityKey, subsetKey } from '../store/keys.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import { createIssuer, type Issuer } from '../trust/certificate-authority.ts';
import { verifyIntermediate } from '../trust/certificate-check.ts';
import { openSealed } from '../trust/sealing.ts';
import { createMaster } from './create-master.ts';
import { createRegion } from './create-region.ts';
import { createSubset } from './create-subset.ts';
import { readDirectoryRecords } from './directory-records.ts';
import { type RenewalOptions, renewMaster } from './renew-master.ts';
import { readSealingKey } from './sealing-key-file.ts';

const [europe, asia] = ['europe', 'asia'].map(parseSubsetName) as [SubsetName, SubsetName];
const eu = parseRegionName('eu');
const fra = parseMasterName('fra');
const sin = parseMasterName('sin');
const second = parsePrefix('100.64.16.0/20');
const dayMs = 86_400_000;

/** Europe, whose roll is in a region, and asia: fra acts for the first and backs up the second. */
async function worldWithSubsets(): Promise<World> {
  const world = await worldWithVpn();
  const { dependencies, rootKeyPath } = world;
  for (const name of ['fra', 'sin']) await createMaster(masterOptions(name, world), dependencies);
  await createRegion({ name: eu, store: regionUrl(world, 'eu.db') }, dependencies);
  const common = { rootKeyPath, regionStoreUrl: undefined };
  await createSubset(
    { ...common, name: europe, acting: fra, backups: [], region: eu },
    dependencies,
  );
  await createSubset({ ...common, name: asia, acting: sin, backups: [fra] }, dependencies);
  return world;
}

const regionUrl = ({ dependencies }: World, file: string) =>
  `sqlite:${join(dependencies.directory.path, file)}`;

function renew(world: World, options: Partial<RenewalOptions> = {}, store?: Store) {
  const later = { ...world.dependencies, nowMs: world.dependencies.nowMs + 300 * dayMs };
  const { rootKeyPath } = world;
  return renewMaster({ name: fra, rootKeyPath, ...options }, store ? { ...later, store } : later);
}

/** The subset gets another record, as whoever can write the directory would give it one. */
async function change(world: World, name: SubsetName, changes: Partial<SubsetRecord>) {
  const { store } = world.dependencies;
  const key = subsetKey(name);
  const entry = await store.get(key);
  assert.ok(entry);
  const record = decodeRecord(subsetRecordSchema, key, entry.value);
  const value = encodeRecord({ ...record, ...changes });
  await store.transact({ if: [], then: [{ put: key, value }] });
}

const grow = (world: World, name: SubsetName, first: string, next: Prefix = second) =>
  change(world, name, { ipv4Blocks: [parsePrefix(first), next] });

async function authorityOf(world: World, store: Store, subset: SubsetName): Promise<Issuer> {
  const key = authorityKey(subset, fra);
  const entry = await store.get(key);
  assert.ok(entry, key);
  const { certificate, sealedKey } = decodeRecord(authorityRecordSchema, key, entry.value);
  const sealingKey = await readSealingKey(world.dependencies.directory.sealingKey);
  return createIssuer({
    certificatePem: certificate,
    privateKeyPem: openSealed(sealingKey, sealedKey, key),
  });
}

async function bothAuthorities(world: World): Promise<readonly Issuer[]> {
  await using region = await openStore(regionUrl(world, 'eu.db'));
  return [
    await authorityOf(world, region, europe),
    await authorityOf(world, world.dependencies.store, asia),
  ];
}

test('a master that is renewed can admit members for five more years, at all addresses that its subsets have by then', async () => {
  await using world = await worldWithSubsets();
  const before = await bothAuthorities(world);
  await grow(world, asia, '100.64.8.0/21');
  const { subsets } = await renew(world);
  assert.deepEqual(subsets, ['europe', 'asia']);
  const after = await bothAuthorities(world);
  const { store, storeUrl, nowMs } = world.dependencies;
  const { vpn } = await readDirectoryRecords(store, storeUrl);
  for (const [index, issuer] of after.entries()) {
    assert.ok(issuer.notAfterMs >= (before[index]?.notAfterMs ?? Number.NaN) + 299 * dayMs);
    assert.deepEqual(issuer.keyIdentifier, before[index]?.keyIdentifier, 'invites stay good');
    const check = { root: vpn.rootCertificate, nowMs: nowMs + 301 * dayMs };
    await verifyIntermediate({ ...check, certificate: issuer.certificatePem });
  }
  const blocks = after.map(({ scope }) => scope.kind === 'subset' && scope.blocks?.ipv4Blocks);
  assert.deepEqual(blocks, [['100.64.0.0/21'], ['100.64.8.0/21', second]]);
});

test('a crash at any moment leaves authorities that are good, and can be run again', async () => {
  for (let lives = 0; lives < 3; lives += 1) {
    await using world = await worldWithSubsets();
    await grow(world, asia, '100.64.8.0/21');
    const dying = dyingStore(world.dependencies.store, lives);
    if (lives < 2) await assert.rejects(renew(world, {}, dying), /died/);
    else await renew(world, {}, dying);
    await bothAuthorities(world);
    await renew(world);
    const [, { scope }] = (await bothAuthorities(world)) as [Issuer, Issuer];
    assert.equal(scope.kind === 'subset' && scope.blocks?.ipv4Blocks.length, 2);
  }
});

test('an authority that is gone is made anew', async () => {
  await using world = await worldWithSubsets();
  const key = authorityKey(asia, fra);
  await world.dependencies.store.transact({ if: [], then: [{ delete: key }] });
  await renew(world);
  await authorityOf(world, world.dependencies.store, asia);
});

test('a region is reached by another way, where there is one', async () => {
  await using world = await worldWithSubsets();
  const { path } = world.dependencies.directory;
  await rename(join(path, 'eu.db'), join(path, 'moved.db'));
  const regionStoreUrls = { eu: regionUrl(world, 'moved.db') };
  assert.deepEqual((await renew(world, { regionStoreUrls })).subsets, ['europe', 'asia']);
  await assert.rejects(renew(world), { code: 'wrong-region' });
});

test('the root signs no block twice, and no /64 that is not the subset’s, whatever the directory says', async () => {
  const refused = (problem: RegExp) => ({
    name: 'ProvisionError',
    code: 'overlap',
    message: problem,
  });
  {
    await using world = await worldWithSubsets();
    await grow(world, asia, '100.64.8.0/21', parsePrefix('100.64.0.0/22'));
    await assert.rejects(renew(world), refused(/100\.64\.0\.0\/2\d of \w+ overlaps a block of/));
  }
  await using world = await worldWithSubsets();
  const { subsets } = await readDirectoryRecords(
    world.dependencies.store,
    world.dependencies.storeUrl,
  );
  const [ofEurope] = subsets;
  assert.ok(ofEurope);
  await change(world, asia, { ipv6Block: ofEurope.ipv6Block });
  const before = (await bothAuthorities(world))[1];
  await assert.rejects(renew(world), refused(/overlaps|is not the IPv6 block of asia/));
  assert.equal((await bothAuthorities(world))[1]?.certificatePem, before?.certificatePem);
});

test('the root takes no block from a subset, and puts none in the place of another, whatever the directory says', async () => {
  for (const ipv4Blocks of [[second], [second, parsePrefix('100.64.8.0/21')]]) {
    await using world = await worldWithSubsets();
    await change(world, asia, { ipv4Blocks });
    await assert.rejects(renew(world), { code: 'overlap', message: /asia has lost a block/ });
  }
});
