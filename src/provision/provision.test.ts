import assert from 'node:assert/strict';
import { chmod, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dyingStore } from '../../test/support/dying-store.ts';
import {
  corp,
  emptyWorld,
  masterOptions,
  type World,
  worldWithVpn,
} from '../../test/support/provisioned-world.ts';
import { readOperatorProfile } from '../api/client/operator-profile.ts';
import type { Endpoint } from '../model/endpoint.ts';
import {
  parseMasterName,
  parseOperatorName,
  parseSubsetName,
  parseVpnName,
} from '../model/names.ts';
import { parsePrefix, prefixesOverlap } from '../model/prefix.ts';
import { decodeRecord } from '../model/records/codec.ts';
import { groupKeyRecordSchema } from '../model/records/directory.ts';
import { authorityRecordSchema } from '../model/records/roll.ts';
import { groupKeySchema } from '../model/wireguard-key.ts';
import { authorityKey, backboneKeyKey, subsetKeyKey } from '../store/keys.ts';
import { createIssuer } from '../trust/certificate-authority.ts';
import { verifyChain } from '../trust/certificate-check.ts';
import { openSealed } from '../trust/sealing.ts';
import { createMaster } from './create-master.ts';
import { createOperator } from './create-operator.ts';
import { createSubset } from './create-subset.ts';
import { createVpn, type ProvisionDependencies, type VpnOptions } from './create-vpn.ts';
import { readDirectoryRecords } from './directory-records.ts';
import { readSealingKey } from './sealing-key-file.ts';

const nowMs = Date.now();
const europe = ({ rootKeyPath }: World) => ({
  name: parseSubsetName('europe'),
  acting: parseMasterName('fra'),
  backups: [parseMasterName('ams')],
  rootKeyPath,
});

test('a VPN has a root, a backbone key that opens at its place, and an operator', async () => {
  await using world = await emptyWorld();
  const { store, directory } = world.dependencies;
  const vpn = await createVpn(corp, world.dependencies);
  assert.ok(prefixesOverlap(vpn.ipv6, parsePrefix('fd00::/8')));
  const key = backboneKeyKey(1);
  const entry = await store.get(key);
  assert.ok(entry);
  const record = decodeRecord(groupKeyRecordSchema, key, entry.value);
  const sealingKey = await readSealingKey(directory.sealingKey);
  groupKeySchema.parse(openSealed(sealingKey, record.sealedKey, key));
  const profile = await readOperatorProfile(directory.operator(corp.operator));
  const { identity } = await verifyChain({
    chain: [profile.certificateChain],
    root: vpn.rootCertificate,
    nowMs,
    expected: 'operator',
  });
  assert.deepEqual(identity, { kind: 'operator', vpn: 'corp', name: 'admin' });
});

test('everything in the data directory is its owner’s alone', async () => {
  await using world = await worldWithVpn();
  await createMaster(masterOptions('fra', world), world.dependencies);
  const { path } = world.dependencies.directory;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    assert.equal(mode & 0o077, 0, entry.name);
    assert.ok(!entry.name.endsWith('.draft'), entry.name);
  }
});

test('a second VPN in the same store is refused and the first stays as it is', async () => {
  await using world = await worldWithVpn();
  const before = await readFile(world.rootKeyPath, 'utf8');
  const other = { ...corp, name: parseVpnName('other') };
  await assert.rejects(createVpn(other, world.dependencies), { code: 'exists' });
  assert.equal(await readFile(world.rootKeyPath, 'utf8'), before);
});

test('a directory with another VPN’s root is never overwritten, also with an empty store', async () => {
  await using world = await worldWithVpn();
  await using elsewhere = await emptyWorld();
  const dependencies = { ...elsewhere.dependencies, directory: world.dependencies.directory };
  const other = { ...corp, name: parseVpnName('other') };
  await assert.rejects(createVpn(other, dependencies), { code: 'exists', message: /another VPN/ });
});

test('prefixes that cannot be are refused with what would be right', async () => {
  await using world = await emptyWorld();
  const refuse = (options: Partial<VpnOptions>, message: RegExp) =>
    assert.rejects(createVpn({ ...corp, ...options }, world.dependencies), {
      code: 'invalid',
      message,
    });
  await refuse({ ipv4: parsePrefix('10.0.0.0/24') }, /does not fit.*larger --ipv4/);
  await refuse({ ipv6: parsePrefix('fd00::/64') }, /unique local \/48/);
  await refuse({ ipv6: parsePrefix('2001:db8::/48') }, /unique local \/48/);
});

test('a master’s certificate binds its name and both WireGuard keys, and operators know it', async () => {
  await using world = await worldWithVpn();
  const record = await createMaster(masterOptions('fra', world), world.dependencies);
  assert.equal(record.index, 1);
  const { directory, store, storeUrl } = world.dependencies;
  const { vpn, masters } = await readDirectoryRecords(store, storeUrl);
  assert.deepEqual(masters, [record]);
  const leaf = await verifyChain({
    chain: record.chain,
    root: vpn.rootCertificate,
    nowMs,
    expected: { kind: 'master', vpn: vpn.name, name: record.name },
  });
  assert.deepEqual(Object.keys(leaf.wireguardKeys), ['backbone', 'members']);
  const profile = await readOperatorProfile(directory.operator(corp.operator));
  assert.deepEqual(profile.masters, [{ name: 'fra', control: 'fra.example:8443' }]);
});

test('masters made in one directory serve their metrics on ports of their own', async () => {
  await using world = await worldWithVpn();
  const { directory } = world.dependencies;
  for (const [name, port] of [
    ['fra', 9_469],
    ['ams', 9_470],
  ] as const) {
    await createMaster(masterOptions(name, world), world.dependencies);
    const config = await readFile(directory.master(parseMasterName(name)).config, 'utf8');
    assert.match(config, new RegExp(`^metricsListen: "127\\.0\\.0\\.1:${port}"$`, 'm'));
  }
});

test('the configuration of a master that was not made in the end is that of the last attempt', async () => {
  await using world = await worldWithVpn();
  const { dependencies } = world;
  const dying = { ...dependencies, store: dyingStore(dependencies.store) };
  await assert.rejects(createMaster(masterOptions('fra', world, 1_111), dying), /died/);
  await createMaster(masterOptions('fra', world, 2_222), dependencies);
  const config = await readFile(dependencies.directory.master(parseMasterName('fra')).config);
  assert.match(config.toString(), /^listen: "0\.0\.0\.0:2222"$/m);
});

test('a subset has its own addresses, and an authority for each of its masters', async () => {
  await using world = await worldWithVpn();
  for (const name of ['fra', 'ams']) {
    await createMaster(masterOptions(name, world), world.dependencies);
  }
  const first = await createSubset(europe(world), world.dependencies);
  const second = await createSubset(
    { ...europe(world), name: parseSubsetName('asia'), backups: [] },
    world.dependencies,
  );
  assert.deepEqual([first.index, second.index], [1, 2]);
  assert.deepEqual([...first.ipv4Blocks, ...second.ipv4Blocks], ['100.64.0.0/21', '100.64.8.0/21']);
  const { store, directory } = world.dependencies;
  const sealingKey = await readSealingKey(directory.sealingKey);
  for (const master of ['fra', 'ams']) {
    const key = authorityKey(first.name, parseMasterName(master));
    const entry = await store.get(key);
    assert.ok(entry);
    const record = decodeRecord(authorityRecordSchema, key, entry.value);
    const privateKeyPem = openSealed(sealingKey, record.sealedKey, key);
    const issuer = createIssuer({ certificatePem: record.certificate, privateKeyPem });
    const { ipv6Block, ipv4Blocks } = first;
    assert.deepEqual(issuer.scope, {
      ...{ kind: 'subset', vpn: 'corp', subset: 'europe', master },
      blocks: { ipv6Block, ipv4Blocks },
    });
  }
  assert.ok(await store.get(subsetKeyKey(first.name, 1)));
  assert.equal(await store.get(authorityKey(second.name, parseMasterName('ams'))), undefined);
});

test('names and endpoints are never given twice', async () => {
  await using world = await worldWithVpn();
  const { dependencies } = world;
  for (const name of ['fra', 'ams']) await createMaster(masterOptions(name, world), dependencies);
  await createSubset(europe(world), dependencies);
  await assert.rejects(createMaster(masterOptions('fra', world), dependencies), { code: 'exists' });
  const sameControl = { ...masterOptions('sin', world), control: 'fra.example:8443' as Endpoint };
  await assert.rejects(createMaster(sameControl, dependencies), {
    code: 'address-taken',
    message: /master fra already has fra.example:8443/,
  });
  const sameHost = {
    ...masterOptions('sin', world),
    wireguard: masterOptions('fra', world).wireguard,
  };
  await assert.rejects(createMaster(sameHost, dependencies), { code: 'address-taken' });
  await assert.rejects(createSubset(europe(world), dependencies), { code: 'exists' });
  await createOperator(parseOperatorName('ada'), world.rootKeyPath, dependencies);
  await assert.rejects(createOperator(parseOperatorName('ada'), world.rootKeyPath, dependencies), {
    code: 'exists',
  });
});

test('a subset of masters that do not exist, or with one in two roles, is refused', async () => {
  await using world = await worldWithVpn();
  await createMaster(masterOptions('fra', world), world.dependencies);
  await assert.rejects(createSubset(europe(world), world.dependencies), {
    code: 'unknown-master',
    message: /no master ams; the VPN has: fra/,
  });
  const twice = { ...europe(world), backups: [parseMasterName('fra')] };
  await assert.rejects(createSubset(twice, world.dependencies), { code: 'invalid' });
});

test('without the root key, or with another VPN’s, nothing is made', async () => {
  await using world = await worldWithVpn();
  await using stranger = await worldWithVpn({ name: parseVpnName('other') });
  const offline = join(world.dependencies.directory.path, 'elsewhere.key');
  await rename(world.rootKeyPath, offline);
  await assert.rejects(createMaster(masterOptions('fra', world), world.dependencies), {
    code: 'no-root-key',
    message: /root\.key is not there.*--root-key/,
  });
  await assert.rejects(createMaster(masterOptions('fra', stranger), world.dependencies), {
    code: 'wrong-root-key',
  });
  const { store, storeUrl } = world.dependencies;
  assert.deepEqual((await readDirectoryRecords(store, storeUrl)).masters, []);
  await createMaster({ ...masterOptions('fra', world), rootKeyPath: offline }, world.dependencies);
});

test('a VPN without room for another block says so', async () => {
  await using world = await worldWithVpn({ ipv4: parsePrefix('10.0.0.0/20') });
  await createMaster(masterOptions('fra', world), world.dependencies);
  const subset = (name: string) => ({
    ...europe(world),
    name: parseSubsetName(name),
    backups: [],
  });
  for (const name of ['one', 'two']) await createSubset(subset(name), world.dependencies);
  await assert.rejects(createSubset(subset('three'), world.dependencies), {
    code: 'ipv4-exhausted',
  });
});

test('every command succeeds when it is run again after it died before its transaction', async () => {
  await using world = await emptyWorld();
  const { dependencies } = world;
  const dying = { ...dependencies, store: dyingStore(dependencies.store) };
  const steps: readonly ((by: ProvisionDependencies) => Promise<unknown>)[] = [
    (by) => createVpn(corp, by),
    (by) => createMaster(masterOptions('fra', world), by),
    (by) => createMaster(masterOptions('ams', world), by),
    (by) => createSubset(europe(world), by),
  ];
  for (const step of steps) {
    await assert.rejects(step(dying), /died/);
    await step(dependencies);
  }
  const { masters } = await readDirectoryRecords(dependencies.store, dependencies.storeUrl);
  for (const master of masters) {
    const certificate = await readFile(dependencies.directory.master(master.name).certificate);
    assert.equal(certificate.toString(), master.chain[0]);
  }
});

test('masters made at the same time get different indices', async () => {
  await using world = await worldWithVpn();
  const names = ['fra', 'ams', 'sin', 'lon'];
  const records = await Promise.all(
    names.map((name) => createMaster(masterOptions(name, world), world.dependencies)),
  );
  assert.deepEqual(records.map(({ index }) => index).sort(), [1, 2, 3, 4]);
});

test('a damaged key file is named, and not replaced', async () => {
  await using world = await worldWithVpn();
  const { key } = world.dependencies.directory.master(parseMasterName('fra'));
  await createMaster(masterOptions('fra', world), world.dependencies);
  await rm(key);
  await writeFile(key, 'not a key', { mode: 0o600 });
  await chmod(key, 0o600);
  const { store } = world.dependencies;
  await store.transact({ if: [], then: [{ delete: 'directory/master/fra' }] });
  await assert.rejects(createMaster(masterOptions('fra', world), world.dependencies), {
    code: 'invalid',
    message: /master\.key is not a private key/,
  });
  assert.equal(await readFile(key, 'utf8'), 'not a key');
});
