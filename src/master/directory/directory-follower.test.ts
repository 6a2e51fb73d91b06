import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capturedLog } from '../../../test/support/captured-log.ts';
import { CertificateBed } from '../../../test/support/certificate-bed.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { until } from '../../../test/support/until.ts';
import { defaultPlacementPolicy } from '../../core/placement/policy.ts';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { type MasterRecord, masterRecordSchema } from '../../model/records/directory.ts';
import { systemClock } from '../../runtime/clock.ts';
import {
  backboneKeyPrefix,
  masterKey,
  placementPolicyKey,
  subsetKey,
  vpnKey,
} from '../../store/keys.ts';
import { DirectoryFollower } from './directory-follower.ts';

const [elbe, trave] = [parseMasterName('elbe'), parseMasterName('trave')];

/** A follower that runs, and what it says and logs. */
async function follow(bed: MasterBed) {
  const { log, lines } = capturedLog();
  let changes = 0;
  const follower = await DirectoryFollower.open({
    store: bed.store,
    clock: systemClock,
    sealingKey: bed.sealingKey,
    log,
    onChanged: (count) => {
      changes += count;
    },
  });
  const stop = new AbortController();
  const running = follower.run(stop.signal);
  return {
    follower,
    lines,
    changes: () => changes,
    directory: follower.directory,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

async function recordOf(bed: MasterBed, name: typeof elbe): Promise<MasterRecord> {
  const entry = await bed.store.get(masterKey(name));
  assert.ok(entry);
  return decodeRecord(masterRecordSchema, entry.key, entry.value);
}

const put = (bed: MasterBed, key: string, value: object | Uint8Array) =>
  bed.store.transact({
    if: [],
    then: [{ put: key, value: value instanceof Uint8Array ? value : encodeRecord(value) }],
  });

test('a master whose certificate is forged, foreign or another one’s is left out and logged', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
  const impostor = await CertificateBed.create('corp');
  const [honest, other] = [await recordOf(bed, trave), await recordOf(bed, elbe)];
  const foreign = await impostor.issue(impostor.master('trave'));
  const forgeries: readonly [string, unknown][] = [
    ['a foreign root', { ...honest, chain: foreign.chain }],
    ['another master’s certificate', { ...honest, chain: other.chain }],
    [
      'nonsense',
      { ...honest, chain: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'] },
    ],
    ['no JSON', Buffer.from('{')],
    ['a record without a field', { ...honest, control: undefined }],
  ];
  for (const [what, forged] of forgeries) {
    await put(bed, masterKey(trave), forged as object);
    await using following = await follow(bed);
    assert.deepEqual([...following.directory.masters.keys()], [elbe], what);
    const [line] = following.lines;
    assert.deepEqual([line?.['level'], line?.['key']], [50, masterKey(trave)], what);
    assert.match(String(line?.['msg']), /does not hold; leaving it out/);
  }
});

test('a record that is spoilt later changes nothing, and a good one is taken up', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
  await using following = await follow(bed);
  const { directory } = following;
  const honest = await recordOf(bed, trave);
  const impostor = await CertificateBed.create('corp');
  const { chain } = await impostor.issue(impostor.master('trave'));
  await put(bed, masterKey(trave), { ...honest, chain, control: 'evil.example:1' });
  await until('the log', () => following.lines.length > 0);
  assert.equal(directory.masters.get(trave)?.record.control, honest.control);
  await put(bed, masterKey(trave), { ...honest, control: 'moved.example:1' });
  await until('the move', () => directory.masters.get(trave)?.record.control === 'moved.example:1');
  await bed.store.transact({ if: [], then: [{ delete: masterKey(trave) }] });
  await until('the removal', () => !directory.masters.has(trave));
  assert.equal(following.changes(), 3);
});

test('a record of a later version under a key of its own is passed over', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
  await put(bed, 'directory/of-a-later-version', { version: 2 });
  await using following = await follow(bed);
  await put(bed, 'directory/of-a-later-version', Buffer.from('{'));
  await put(bed, 'directory/another/of-these', { version: 2 });
  await bed.store.transact({ if: [], then: [{ delete: 'directory/of-a-later-version' }] });
  await until('all were seen', () => following.changes() === 3);
  assert.deepEqual(following.lines, []);
});

test('a policy that cannot be read leaves the one before, and is not the same as none', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
  const policy = (text: string) => ({
    version: 1,
    text,
    changedAtMs: 1,
    changedBy: 'operator:ada',
  });
  const store = (text: string) => put(bed, placementPolicyKey, policy(text));
  await store('pins: { web-1: { subset: hamburg } }');
  await using before = await follow(bed);
  const pinned = before.directory.requirePlacementPolicy();
  await store('ofALaterVersion: 1');
  await until('the log', () => before.lines.length > 0);
  assert.equal(before.directory.requirePlacementPolicy(), pinned);
  await using after = await follow(bed);
  assert.throws(() => after.directory.requirePlacementPolicy(), {
    code: 'unreadable-policy',
    retryable: true,
    message: /cannot read the placement policy \(revision \d+\).*update it/,
  });
  await store('movesPerMinute: 7');
  await until('a good one', () => after.directory.placementPolicy?.movesPerMinute === 7);
  await store('ofALaterVersion: 1');
  await bed.store.transact({ if: [], then: [{ delete: placementPolicyKey }] });
  await until('none', () => after.directory.storedPolicy === undefined);
  assert.equal(after.directory.requirePlacementPolicy(), defaultPlacementPolicy);
});

test('subsets come and go as the store has them', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
  await using following = await follow(bed);
  const hamburg = parseSubsetName('hamburg');
  assert.equal(following.directory.homeOf(hamburg), elbe);
  assert.deepEqual(
    following.directory.servedBy(trave).map(({ name }) => name),
    [hamburg],
  );
  await bed.store.transact({ if: [], then: [{ delete: subsetKey(hamburg) }] });
  await until('the removal', () => following.directory.homeOf(hamburg) === undefined);
});

test('a backbone key that many masters rotate at once gets one new epoch', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
  await using one = await follow(bed);
  await using other = await follow(bed);
  const followers = [one, other, one, other];
  await Promise.all(followers.map(({ follower }) => follower.rotateBackboneKey()));
  await until('the key', () =>
    followers.every(({ directory }) => directory.backboneKey?.epoch === 2),
  );
  assert.equal(one.directory.backboneKey?.groupKey, other.directory.backboneKey?.groupKey);
  assert.equal((await bed.store.range(backboneKeyPrefix)).entries.length, 2);
  await one.follower.rotateBackboneKey();
  await until('the next', () => other.directory.backboneKey?.epoch === 3);
  assert.equal((await bed.store.range(backboneKeyPrefix)).entries.length, 2);
});

test('a store without a VPN is told apart from one that cannot be read', async () => {
  await using bed = await MasterBed.create({ subsets: {} });
  await bed.store.transact({ if: [], then: [{ delete: vpnKey }] });
  await assert.rejects(follow(bed), { code: 'no-authority', message: /hanse vpn create/ });
});
