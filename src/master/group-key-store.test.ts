import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MasterBed } from '../../test/support/master-bed.ts';
import { parseMasterName, parseSubsetName } from '../model/names.ts';
import { authorityPrefix, subsetKeyKey } from '../store/keys.ts';
import type { Entry } from '../store/store.ts';
import { createSealingKey, parseSealingKey } from '../trust/sealing.ts';
import { GroupKeyStore } from './group-key-store.ts';
import { openAuthorities } from './subset/authorities.ts';

const [hamburg, berlin] = [parseSubsetName('hamburg'), parseSubsetName('berlin')];
const master = parseMasterName('elbe');

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['elbe'] } });
});
after(() => bed[Symbol.asyncDispose]());

const keysOf = (subset: typeof hamburg, sealingKey = bed.sealingKey) =>
  new GroupKeyStore({ keyOf: (epoch) => subsetKeyKey(subset, epoch), sealingKey });

async function entryOf(key: string): Promise<Entry> {
  const entry = await bed.store.get(key);
  assert.ok(entry, key);
  return entry;
}

test('a key comes out of the store as it went in, and is not readable there', async () => {
  const keys = keysOf(hamburg);
  const first = keys.open(await entryOf(subsetKeyKey(hamburg, 1)));
  const plan = keys.planRotation(first, 7);
  const { revision } = await bed.store.transact({ if: plan.if, then: plan.then });
  const entry = await entryOf(subsetKeyKey(hamburg, 2));
  assert.deepEqual(keys.open(entry), { ...plan.next, revision });
  assert.ok(!Buffer.from(entry.value).includes(plan.next.groupKey));
});

test('of two rotations of one epoch the second is not applied', async () => {
  const keys = keysOf(berlin);
  const current = keys.open(await entryOf(subsetKeyKey(berlin, 1)));
  const [one, other] = [keys.planRotation(current, 1), keys.planRotation(current, 1)];
  const results = [await bed.store.transact(one), await bed.store.transact(other)];
  assert.deepEqual(
    results.map(({ succeeded }) => succeeded),
    [true, false],
  );
  assert.equal(keys.open(await entryOf(subsetKeyKey(berlin, 2))).groupKey, one.next.groupKey);
});

test('a key that was moved to another place, or sealed by somebody else, does not open', async () => {
  const entry = await entryOf(subsetKeyKey(hamburg, 1));
  const moved = { ...entry, key: subsetKeyKey(berlin, 1) };
  assert.throws(() => keysOf(berlin).open(moved), { code: 'tampered' });
  const stranger = keysOf(hamburg, parseSealingKey(createSealingKey()));
  assert.throws(() => stranger.open(entry), { code: 'wrong-sealing-key' });
});

test('an authority opens for its own master and subset, with the VPN’s sealing key', async () => {
  const { entries } = await bed.store.range(authorityPrefix(hamburg));
  const { issuer } = openAuthorities(entries, {
    subset: hamburg,
    master,
    sealingKey: bed.sealingKey,
  });
  const { blocks: _, ...scope } = { blocks: undefined, ...issuer.scope };
  assert.deepEqual(scope, { kind: 'subset', vpn: bed.vpn.name, subset: hamburg, master });
  const open = (options: Partial<Parameters<typeof openAuthorities>[1]>) => () =>
    openAuthorities(entries, { subset: hamburg, master, sealingKey: bed.sealingKey, ...options });
  assert.throws(open({ master: parseMasterName('spree') }), {
    code: 'no-authority',
    message: /spree has no authority to issue for hamburg/,
  });
  assert.throws(open({ sealingKey: parseSealingKey(createSealingKey()) }), {
    code: 'wrong-sealing-key',
  });
});
