import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { makeAuthoritiesEarlier } from '../../test/support/earlier-authority.ts';
import { MasterBed, operatorName } from '../../test/support/master-bed.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { parseMasterName } from '../model/names.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'spree'], berlin: ['spree'] } });
  for (const subset of ['hamburg', 'berlin']) await makeAuthoritiesEarlier(bed, subset);
  elbe = await RunningMaster.start(bed, 'elbe');
  spree = await RunningMaster.start(bed, 'spree');
});
after(async () => {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

const hanse = (...args: readonly string[]) => {
  const { directory } = bed;
  return runHanse(args, {
    env: { HANSE_DIR: directory.path, HANSE_PROFILE: directory.operator(operatorName) },
  });
};

test('a VPN of an earlier version goes to one key when its masters are renewed, and says which', async () => {
  const early = await hanse('vpn', 'keying', 'shared');
  assert.equal(early.exitCode, 3);
  assert.match(early.err, /berlin \(spree\)/);
  assert.match(early.err, /hamburg \(elbe, spree\)/);
  assert.match(early.err, /`hanse master renew elbe`, `hanse master renew spree`/);
  assert.match((await hanse('vpn', 'show')).out, /^keying +per-subset:/m);

  for (const [name, subsets] of [
    ['elbe', 'hamburg'],
    ['spree', 'hamburg, berlin'],
  ] as const) {
    const { out, err, exitCode } = await hanse('master', 'renew', name);
    assert.equal(exitCode, 0, err);
    assert.match(out, new RegExp(`^authority for +${subsets}$`, 'm'));
    assert.match(err, new RegExp(`restart ${name}`));
  }
  const notYet = await hanse('vpn', 'keying', 'shared');
  assert.equal(notYet.exitCode, 3, 'they issue with the old ones until they are restarted');

  await Promise.all([elbe, spree].map((master) => master[Symbol.asyncDispose]()));
  elbe = await RunningMaster.start(bed, 'elbe');
  spree = await RunningMaster.start(bed, 'spree');
  const { out, err, exitCode } = await hanse('vpn', 'keying', 'shared');
  assert.equal(exitCode, 0, err);
  assert.match(out, /the keying of corp is shared$/m);
});

test('a master is renewed in the regions that its configuration names another way to, if it can be read', async () => {
  const { config } = bed.directory.master(parseMasterName('elbe'));
  const text = await readFile(config, 'utf8');
  await writeFile(config, `${text}\nregions: [wrong]\n`);
  const { err, exitCode } = await hanse('master', 'renew', 'elbe');
  assert.equal(exitCode, 2);
  assert.match(err, /master\.yaml:\d+:\d+: regions:/);
  await writeFile(config, text);
  assert.equal((await hanse('master', 'renew', 'elbe')).exitCode, 0);
});
