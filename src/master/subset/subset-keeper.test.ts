import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GovernedSubset } from '../../../test/support/governed-subset.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { until } from '../../../test/support/until.ts';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { subsetRecordSchema } from '../../model/records/directory.ts';
import { authorityKey, leaseKey, subsetKey } from '../../store/keys.ts';

const hamburg = parseSubsetName('hamburg');
const [elbe, trave] = [parseMasterName('elbe'), parseMasterName('trave')];

/** Gives the subset to a master, as a change of the directory does. */
async function give(bed: MasterBed, acting: typeof elbe, backups: readonly (typeof elbe)[]) {
  const entry = await bed.store.get(subsetKey(hamburg));
  assert.ok(entry);
  const record = decodeRecord(subsetRecordSchema, entry.key, entry.value);
  const value = encodeRecord({ ...record, acting, backups });
  await bed.store.transact({ if: [], then: [{ put: entry.key, value }] });
}

test('a subset that another master alone is to serve changes hands, and its lease with it', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
  await using first = await RunningMaster.start(bed, 'elbe');
  await using second = await RunningMaster.start(bed, 'trave');
  assert.ok(first.subset('hamburg'));
  await give(bed, trave, []);
  await until('the new master acts', () => second.master.subsets.find(hamburg));
  assert.equal(first.master.subsets.find(hamburg), undefined);
  await until('the former one serves it no more', () => first.master.subsets.duties().length === 0);
  const lease = await bed.store.get(leaseKey(hamburg));
  assert.match(Buffer.from(lease?.value ?? []).toString(), /"master":"trave"/);
});

test('a subset that is taken away and given back at once is acted for again', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
  await using master = await RunningMaster.start(bed, 'elbe');
  for (let times = 0; times < 5; times += 1) {
    const former = master.subset('hamburg');
    await give(bed, trave, []);
    await until('it hears so', () => master.master.directory.homeOf(hamburg) === trave);
    await give(bed, elbe, [trave]);
    await until('it acts', () => {
      const found = master.master.subsets.find(hamburg);
      return found !== undefined && found !== former;
    });
  }
});

test('a master cannot act for a subset that it has no authority for, and acts for its others', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['elbe'] } });
  await bed.store.transact({ if: [], then: [{ delete: authorityKey(hamburg, elbe) }] });
  const refused = GovernedSubset.open(bed, { subset: 'hamburg', master: 'elbe' });
  await assert.rejects(refused, {
    code: 'no-authority',
    message: /elbe has no authority to issue for hamburg/,
  });
  await using other = await GovernedSubset.open(bed, { subset: 'berlin', master: 'elbe' });
  await other.member('anna');
});
