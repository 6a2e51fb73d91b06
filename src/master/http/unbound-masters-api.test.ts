import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { makeAuthoritiesEarlier } from '../../../test/support/earlier-authority.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { until } from '../../../test/support/until.ts';
import type { OperatorClient } from '../../api/client/operator-client.ts';
import { getDirectory } from '../../api/directory-endpoints.ts';
import { changeKeying, getUnboundHere, getUnboundMasters } from '../../api/key-endpoints.ts';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import type { KeyingPhase } from '../../model/records/directory.ts';
import { renewMaster } from '../../provision/renew-master.ts';
import { MasterLinks } from '../master-links.ts';

let stack: AsyncDisposableStack;
let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
let operator: OperatorClient;
/** Two subsets with a master each; spree backs up hamburg too. */
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'spree'], berlin: ['spree'] } });
  stack.use(bed);
  operator = await bed.operator();
});
afterEach(() => stack.disposeAsync());

async function start(): Promise<void> {
  elbe = stack.use(await RunningMaster.start(bed, 'elbe'));
  spree = stack.use(await RunningMaster.start(bed, 'spree'));
}

const change = (phase: KeyingPhase) => operator.call(changeKeying, { body: { phase } });
const keyingNow = async () => (await operator.call(getDirectory, {})).vpn.keying;
const unboundMasters = () => operator.call(getUnboundMasters, {});
const unbound = (...masters: readonly string[]) => ({
  code: 'refused',
  retryable: false,
  message: new RegExp(
    `certificates of some masters do not bind .*${masters.map((name) => `\`hanse master renew ${name}\``).join(', ')} where`,
  ),
});

test('no step towards one key is made while certificates of masters do not bind all addresses', async () => {
  await makeAuthoritiesEarlier(bed, 'berlin');
  await start();
  const berlin = { subset: 'berlin', masters: ['spree'] };
  assert.deepEqual(await unboundMasters(), { unbound: [berlin], unknown: [] });
  await assert.rejects(change('changing'), unbound('spree'));
  assert.equal(await keyingNow(), 'per-subset');
});

test('who has become unbound on the way holds up the last step, and never the way back', async () => {
  await start();
  await change('changing');
  await makeAuthoritiesEarlier(bed, 'hamburg');
  // Elbe itself issues with what it had when it began to act.
  await assert.rejects(change('shared'), unbound('spree'));
  assert.equal(await keyingNow(), 'changing');
  const { directory, store, storeUrl } = bed;
  const options = { name: parseMasterName('spree'), rootKeyPath: directory.rootKey };
  await renewMaster(options, { directory, store, storeUrl, nowMs: Date.now() });
  await change('shared');
  await makeAuthoritiesEarlier(bed, 'berlin');
  await makeAuthoritiesEarlier(bed, 'hamburg');
  for (const phase of ['changing', 'per-subset'] as const) await change(phase);
  assert.equal(await keyingNow(), 'per-subset');
});

test('of a subset that nobody acts for it is not known, and the last step waits for it', async () => {
  elbe = stack.use(await RunningMaster.start(bed, 'elbe'));
  assert.deepEqual(await unboundMasters(), { unbound: [], unknown: ['berlin'] });
  await change('changing');
  await assert.rejects(change('shared'), {
    code: 'busy',
    retryable: true,
    message: /of berlin it is not known/,
  });
  spree = stack.use(await RunningMaster.start(bed, 'spree'));
  await until('spree acts', () => spree.master.subsets.find(parseSubsetName('berlin')));
  assert.deepEqual(await change('shared'), { phase: 'shared' });
});

test('masters tell each other of the subsets that they act for, and operators do not ask that', async () => {
  await start();
  const { identity, master } = elbe;
  const links = new MasterLinks({ identity, directory: master.directory });
  const at = { master: parseMasterName('spree') };
  const { subsets } = await links.call(getUnboundHere, {}, at);
  assert.deepEqual(subsets, [{ subset: 'berlin', masters: [] }]);
  await assert.rejects(operator.call(getUnboundHere, {}, at), {
    code: 'not-permitted',
    message: /for masters; your certificate is of a operator/,
  });
});
