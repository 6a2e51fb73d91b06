import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GovernedSubset, newcomer } from '../../../test/support/governed-subset.ts';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts';
import { parseMemberName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { groupKeyRecordSchema } from '../../model/records/directory.ts';
import * as keys from '../../store/keys.ts';
import { openStore } from '../../store/open-store.ts';
import type { Store, Transaction } from '../../store/store.ts';
import { scanStore } from '../../store/whole-store.ts';
import { createSealingKey, openSealed } from '../../trust/sealing.ts';
import { dataDirectory } from '../data-directory.ts';
import { decodeBackup, encodeBackup, type LoadedBackup, readBackup } from './backup-file.ts';
import { checkBackup } from './check-backup.ts';
import { createBackup } from './create-backup.ts';
import { type RestoreDependencies, type RestoreResult, restoreBackup } from './restore-backup.ts';
import { isRecordKey } from './stored-records.ts';

const actor = `operator:${operatorName}`;
const signal = AbortSignal.timeout(120_000);
const cleanup = new AsyncDisposableStack();

let bed: MasterBed;
let folder: string;
let backup: LoadedBackup;
const nodes = ['anna', 'berta', 'carla'].map(newcomer);

before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'], berlin: ['trave'] } });
  folder = cleanup.use(await temporaryDirectory()).path;
  await using subset = await GovernedSubset.open(bed, { subset: 'hamburg', master: 'elbe' });
  const invite = await subset.invite(5);
  for (const node of nodes) await subset.admit(invite, node);
  await subset.acting.departures.remove(parseMemberName('carla'), 'banned', actor);
  // Made while a master acts, so that a lease is in the store.
  backup = await make('first');
});
after(async () => {
  await cleanup.disposeAsync();
  await bed[Symbol.asyncDispose]();
});

async function make(name: string, withRootKey = false): Promise<LoadedBackup> {
  const { directory, store, storeUrl } = bed;
  const path = join(folder, name);
  await createBackup(
    { path, withRootKey, signal },
    { directory, store, storeUrl, nowMs: Date.now() },
  );
  return readBackup(path);
}

let places = 0;
/** An empty directory, and a store that is not there yet. */
async function newPlace(): Promise<RestoreDependencies & AsyncDisposable> {
  places += 1;
  const directory = dataDirectory(join(folder, `place-${places}`));
  await mkdir(directory.path);
  const storeUrl = `sqlite:${directory.storeFile}`;
  const store = await openStore(storeUrl);
  const rest = { signal, nowMs: Date.now(), onProgress: () => undefined };
  const close = () => store[Symbol.asyncDispose]();
  return { directory, store, storeUrl, ...rest, [Symbol.asyncDispose]: close };
}

const restore = (place: RestoreDependencies, confirmMembers = false, from = backup) =>
  restoreBackup({ backup: from, confirmMembers }, place);

const keysIn = (store: Store) => Array.fromAsync(scanStore(store), ({ key }) => key);

/** The bed of before, moved to where it was restored. */
function bedAt({ directory, store, storeUrl }: RestoreDependencies): MasterBed {
  const own = { directory, store, storeUrl };
  return Object.create(bed, Object.getOwnPropertyDescriptors(own)) as MasterBed;
}

test('a backup is one private file with everything but leases and the root key, and never replaces one', async () => {
  const path = join(folder, 'first');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const found = backup.entries.map(({ key }) => key);
  const there = await keysIn(bed.store);
  assert.deepEqual(
    found,
    there.filter((key) => !key.endsWith('/lease')),
  );
  assert.deepEqual(
    backup.files.map((file) => file.path),
    [
      ...['sealing.key', 'root/root.pem'],
      ...['elbe', 'trave'].flatMap((name) =>
        [
          'master.yaml',
          'master.pem',
          'master.key',
          'wireguard-members.key',
          'wireguard-backbone.key',
        ].map((file) => `masters/${name}/${file}`),
      ),
      ...['root.pem', 'operator.pem', 'operator.key', 'profile.json'].map(
        (file) => `operators/ada/${file}`,
      ),
    ],
  );
  await assert.rejects(make('first'), { code: 'exists', message: /never replaces a file/ });
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('.')),
    [],
  );
  const withRoot = await make('with-root', true);
  assert.ok(withRoot.files.some((file) => file.path === 'root/root.key'));
  assert.ok((await checkBackup(withRoot)).hasRootKey);
});

test('a restored VPN suspends its members, forgets invites and replaces its keys', async () => {
  await using place = await newPlace();
  const result = await restore(place);
  assert.deepEqual(result.suspended, { hamburg: ['anna', 'berta'] });
  await using subset = await GovernedSubset.open(bedAt(place), {
    subset: 'hamburg',
    master: 'elbe',
  });
  const { roll, key } = subset.acting.state;
  assert.deepEqual([...roll.members()].map(({ name, state }) => [name, state]).sort(), [
    ['anna', 'suspended'],
    ['berta', 'suspended'],
    ['carla', 'banned'],
  ]);
  assert.deepEqual(roll.invites(), []);
  for (const node of nodes) {
    const again = await subset.admit('00000000-0000-4000-8000-000000000000', node);
    assert.equal(
      again.kind === 'refused' && again.code,
      node.name === 'carla' ? 'banned' : 'suspended',
    );
  }
  const groupKeys = await keyTexts(place.store, `roll/hamburg/key/`);
  const before = await keyTexts(bed.store, 'roll/hamburg/key/');
  assert.equal(groupKeys.at(-1), key.groupKey);
  assert.ok(!before.includes(key.groupKey));
  const backbone = await keyTexts(place.store, keys.backboneKeyPrefix);
  assert.equal(backbone.length, 2);
  assert.ok(!(await keyTexts(bed.store, keys.backboneKeyPrefix)).includes(backbone[1] ?? ''));
  const { certificateMs } = bed.vpn.lifetimes;
  assert.ok(
    (roll.findByName(parseMemberName('anna'))?.certificateEndsAtMs ?? 0) >=
      place.nowMs + certificateMs,
  );
  const audit = await subset.audit();
  assert.equal(audit.at(-1)?.action, 'subset-restored');
  assert.equal(
    audit.at(-1)?.subject,
    `backup of ${new Date(backup.header.createdAtMs).toISOString()}`,
  );
});

async function keyTexts(store: Store, prefix: string): Promise<readonly string[]> {
  const { entries } = await store.range(prefix);
  return entries.map(({ key, value }) =>
    openSealed(bed.sealingKey, decodeRecord(groupKeyRecordSchema, key, value).sealedKey, key),
  );
}

test('files come back as they were, private, and masters find the new place', async () => {
  await using place = await newPlace();
  await restore(place);
  for (const { path, text } of backup.files) {
    const where = join(place.directory.path, path);
    assert.equal((await stat(where)).mode & 0o777, 0o600, path);
    const found = await readFile(where, 'utf8');
    if (!path.endsWith('.yaml')) assert.equal(found, text, path);
    else {
      assert.match(found, new RegExp(`^dir: "${place.directory.path}"$`, 'm'));
      assert.match(found, new RegExp(`^store: "${place.storeUrl}"$`, 'm'));
    }
  }
  assert.ok(!(await readdir(place.directory.path)).includes('.restoring'));
});

test('with --confirm-members everybody of the backup is in again at once', async () => {
  await using place = await newPlace();
  const { suspended } = await restore(place, true);
  assert.deepEqual(suspended, {});
  await using subset = await GovernedSubset.open(bedAt(place), {
    subset: 'hamburg',
    master: 'elbe',
  });
  assert.equal(subset.acting.state.roll.activeCount, 2);
});

/** Dies at the write of that number, before or after it is applied. */
function dying(store: Store, number: number, isApplied: boolean): Store {
  let writes = 0;
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'transact') return value.bind(target);
      return async (transaction: Transaction, until?: AbortSignal) => {
        writes += 1;
        if (writes !== number) return target.transact(transaction, until);
        if (isApplied) await target.transact(transaction, until);
        throw new Error('killed');
      };
    },
  });
}

test('a restoration that dies at any write is completed by the next', async () => {
  let deaths = 0;
  for (const isApplied of [false, true]) {
    for (let number = 1; ; number += 1) {
      await using place = await newPlace();
      const store = dying(place.store, number, isApplied);
      const outcome = await restore({ ...place, store }).catch((error: Error) => error);
      if (!(outcome instanceof Error)) break;
      deaths += 1;
      assert.equal(outcome.message, 'killed');
      // What a crash leaves of a file that was being written.
      await writeFile(join(place.directory.path, '..restoring.0123'), '');
      const isLast = (await place.store.get(keys.moveStateKey)) === undefined && number > 1;
      assert.equal((await place.store.get(keys.vpnKey)) !== undefined, isLast);
      const again: RestoreResult = await restore(place);
      assert.equal(again.isResumed, number > 1 || isApplied);
      assert.ok(await place.store.get(keys.vpnKey));
      assert.equal(await place.store.get(keys.moveStateKey), undefined);
      assert.deepEqual(again.suspended, { hamburg: ['anna', 'berta'] });
      await assert.rejects(restore(place), { code: 'not-empty' });
    }
  }
  assert.ok(deaths >= 6, `${deaths} deaths`);
});

test('nothing that is there is overwritten, and nothing is written when anything is', async () => {
  const other = await make('other');
  for (const prepare of [
    ({ directory }: RestoreDependencies) => writeFile(join(directory.path, 'notes.txt'), 'mine'),
    ({ directory }: RestoreDependencies) => mkdir(join(directory.path, 'masters')),
    ({ store }: RestoreDependencies) =>
      store.transact({ if: [], then: [{ put: 'x', value: Buffer.from('x') }] }),
    (place: RestoreDependencies) =>
      restore({ ...place, store: dying(place.store, 2, true) }, false, other).catch(
        () => undefined,
      ),
  ]) {
    await using place = await newPlace();
    await prepare(place);
    const before = [await readdir(place.directory.path), await keysIn(place.store)];
    await assert.rejects(restore(place), { code: 'not-empty' });
    assert.deepEqual([await readdir(place.directory.path), await keysIn(place.store)], before);
  }
});

type Entries = LoadedBackup['entries'];
const withValue =
  (key: string, change: (record: Record<string, unknown>) => object) => (entries: Entries) =>
    entries.map((entry) =>
      entry.key === key
        ? { key, value: encodeRecord(change(JSON.parse(String(entry.value)))) }
        : entry,
    );
const without = (pattern: RegExp) => (entries: Entries) =>
  entries.filter(({ key }) => !pattern.test(key));
const renamed = (from: string, to: string) => (entries: Entries) =>
  entries.map(({ key, value }) => ({ key: key === from ? to : key, value }));

const spoilt: readonly [RegExp, (entries: Entries) => Entries][] = [
  [/has no directory\/vpn/, without(/^directory\/vpn$/)],
  [/has no backbone key/, without(/^directory\/backbone-key/)],
  [/has no key of hamburg/, without(/^roll\/hamburg\/key/)],
  [/no authority of elbe for hamburg/, without(/^roll\/hamburg\/authority\/elbe/)],
  [/the roll of hamburg is of no subset/, without(/^directory\/subset\/hamburg/)],
  [/directory\/vpn does not hold/, withValue('directory/vpn', (vpn) => ({ ...vpn, ipv4: 'x' }))],
  [
    /none that this version of Hanse knows/,
    renamed('roll/hamburg/member/anna', 'roll/hamburg/guest/anna'),
  ],
  [/the place is/, renamed('roll/hamburg/member/anna', 'roll/hamburg/member/aaaa')],
  [
    /the place is/,
    withValue('roll/hamburg/member/anna', (member) => ({ ...member, subset: 'berlin' })),
  ],
  [
    /key\/000000000001 does not hold: .*(changed|another place)/,
    withValue('roll/berlin/key/000000000001', ({ sealedKey, ...key }) => ({
      ...key,
      sealedKey: `${String(sealedKey).slice(0, -4)}AAAA`,
    })),
  ],
  [
    /authority\/elbe does not hold/,
    renamed('roll/hamburg/authority/trave', 'roll/hamburg/authority/elbe'),
  ],
  [
    /master\/elbe does not hold/,
    withValue('directory/master/elbe', (master) => ({ ...master, name: 'trave' })),
  ],
];

test('a backup whose parts do not belong together is refused by the first that does not hold', async () => {
  for (const [message, change] of spoilt) {
    const entries = [
      ...new Map(change(backup.entries).map((entry) => [entry.key, entry])).values(),
    ];
    const sorted = entries.sort((one, other) => (one.key < other.key ? -1 : 1));
    const header = { ...backup.header, entries: sorted.length };
    const read = decodeBackup(encodeBackup({ ...backup, header, entries: sorted }));
    await assert.rejects(checkBackup(read), { code: 'bad-backup', message });
  }
  const foreignKey = backup.files.map((file) =>
    file.path === 'sealing.key' ? { ...file, text: createSealingKey() } : file,
  );
  await assert.rejects(checkBackup({ ...backup, files: foreignKey }), {
    code: 'bad-backup',
    message: /sealed with the key/,
  });
  const noKey = backup.files.filter(({ path }) => path !== 'sealing.key');
  await assert.rejects(checkBackup({ ...backup, files: noKey }), { code: 'bad-backup' });
  const foreign = await MasterBed.create({ subsets: {} });
  await copyFile(foreign.directory.rootCertificate, join(folder, 'foreign.pem'));
  const text = await readFile(join(folder, 'foreign.pem'), 'utf8');
  await foreign[Symbol.asyncDispose]();
  const foreignRoot = backup.files.map((file) =>
    file.path === 'root/root.pem' ? { ...file, text } : file,
  );
  await assert.rejects(checkBackup({ ...backup, files: foreignRoot }), {
    code: 'bad-backup',
    message: /not the root of its VPN/,
  });
});

test('every record of the store’s keys has a form that a backup knows', () => {
  const notRecords = ['leaseKey', 'moveStateKey', 'moveBarrierKey'];
  const names = Object.keys(keys).filter(
    (name) => name.endsWith('Key') && !notRecords.includes(name),
  );
  assert.ok(names.length > 12, names.join(', '));
  for (const name of names) {
    const maker: unknown = Reflect.get(keys, name);
    // Names, numbers and times all do as text or digits, so one argument fits every place.
    const key: unknown = typeof maker === 'function' ? maker('1', '1', '1') : maker;
    assert.ok(
      isRecordKey(String(key)),
      `${name} makes ${key}: give it a form in stored-records.ts`,
    );
  }
});
