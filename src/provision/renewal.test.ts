import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { test } from 'node:test';
import { emptyWorld, masterOptions, worldWithVpn } from '../../test/support/provisioned-world.ts';
import { readOperatorProfile } from '../api/client/operator-profile.ts';
import { parseMasterName, parseOperatorName } from '../model/names.ts';
import { verifyChain } from '../trust/certificate-check.ts';
import { createMaster } from './create-master.ts';
import { readDirectoryRecords } from './directory-records.ts';
import { renewMaster } from './renew-master.ts';
import { renewOperator } from './renew-operator.ts';

const dayMs = 86_400_000;
const fra = parseMasterName('fra');
const admin = parseOperatorName('admin');

test('a renewed master has its keys, its index and a certificate that lives longer, in file and record', async () => {
  await using world = await worldWithVpn();
  const before = await createMaster(masterOptions('fra', world), world.dependencies);
  const { rootKeyPath } = world;
  const nowMs = world.dependencies.nowMs + 300 * dayMs;
  const later = { ...world.dependencies, nowMs };
  const { record: renewed, subsets } = await renewMaster({ name: fra, rootKeyPath }, later);
  assert.deepEqual(subsets, []);
  const { store, storeUrl, directory } = world.dependencies;
  const { vpn, masters } = await readDirectoryRecords(store, storeUrl);
  assert.deepEqual(masters, [renewed]);
  assert.deepEqual({ ...renewed, chain: [] }, { ...before, chain: [] });
  assert.equal(await readFile(directory.master(fra).certificate, 'utf8'), renewed.chain[0]);
  const check = (chain: readonly string[], atMs: number) =>
    verifyChain({
      chain,
      root: vpn.rootCertificate,
      nowMs: atMs,
      expected: { kind: 'master', vpn: vpn.name, name: fra },
    });
  const old = await check(before.chain, nowMs);
  const young = await check(renewed.chain, nowMs + 360 * dayMs);
  assert.equal(young.publicKeySpkiSha256, old.publicKeySpkiSha256);
  assert.deepEqual(young.wireguardKeys, old.wireguardKeys);
});

test('a renewal that meets another change of the master is told to try again', async () => {
  await using world = await worldWithVpn();
  await createMaster(masterOptions('fra', world), world.dependencies);
  const renewals = await Promise.allSettled(
    [1, 2].map(() =>
      renewMaster({ name: fra, rootKeyPath: world.rootKeyPath }, world.dependencies),
    ),
  );
  const failed = renewals.filter((renewal) => renewal.status === 'rejected');
  for (const { reason } of failed) assert.equal(reason.code, 'conflict');
  assert.ok(failed.length < 2);
  await renewMaster({ name: fra, rootKeyPath: world.rootKeyPath }, world.dependencies);
});

test('only a master that exists and whose keys are here is renewed, and no key is made', async () => {
  await using world = await worldWithVpn();
  const renew = () =>
    renewMaster({ name: fra, rootKeyPath: world.rootKeyPath }, world.dependencies);
  await assert.rejects(renew(), { code: 'unknown-master', message: /the VPN has: none yet/ });
  const before = await createMaster(masterOptions('fra', world), world.dependencies);
  const { directory, store, storeUrl } = world.dependencies;
  await using elsewhere = await emptyWorld();
  const other = { ...world.dependencies, directory: elsewhere.dependencies.directory };
  await assert.rejects(renewMaster({ name: fra, rootKeyPath: world.rootKeyPath }, other), {
    code: 'invalid',
    message: /master\.key is missing/,
  });
  await rm(directory.master(fra).membersKey);
  await assert.rejects(renew(), { code: 'invalid', message: /wireguard-members\.key is missing/ });
  assert.deepEqual((await readDirectoryRecords(store, storeUrl)).masters, [before]);
});

test('a renewed operator has its key and its masters still', async () => {
  await using world = await worldWithVpn();
  const { dependencies, rootKeyPath } = world;
  await createMaster(masterOptions('fra', world), dependencies);
  const path = dependencies.directory.operator(admin);
  const before = await readOperatorProfile(path);
  const later = { ...dependencies, nowMs: dependencies.nowMs + 300 * dayMs };
  assert.equal(await renewOperator(admin, rootKeyPath, later), path);
  const { certificateChain, ...after } = await readOperatorProfile(path);
  const { certificateChain: _, ...same } = before;
  assert.deepEqual(after, same);
  const { identity } = await verifyChain({
    chain: [certificateChain],
    root: after.rootCertificate,
    nowMs: later.nowMs + 360 * dayMs,
    expected: 'operator',
  });
  assert.equal(identity.name, 'admin');
  const ada = parseOperatorName('ada');
  await assert.rejects(renewOperator(ada, rootKeyPath, dependencies), {
    code: 'invalid',
    message: /ada\/profile\.json is missing/,
  });
});
