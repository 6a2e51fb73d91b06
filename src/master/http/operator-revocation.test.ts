import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { until } from '../../../test/support/until.ts';
import { listVpnAudit } from '../../api/audit-endpoints.ts';
import { createOperatorClient, type OperatorClient } from '../../api/client/operator-client.ts';
import { readOperatorProfile } from '../../api/client/operator-profile.ts';
import { createInvite } from '../../api/invite-endpoints.ts';
import { listOperators, revokeOperator } from '../../api/operator-endpoints.ts';
import { getStatus, watchEvents } from '../../api/status-endpoints.ts';
import { parseMasterName, parseOperatorName } from '../../model/names.ts';
import { createOperator } from '../../provision/create-operator.ts';
import { renewOperator } from '../../provision/renew-operator.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
/** The first operator, whom nobody revokes. */
let ada: OperatorClient;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['spree'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  spree = await RunningMaster.start(bed, 'spree');
  ada = await bed.operator();
});
after(async () => {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

const provisioning = () => {
  const { directory, store, storeUrl } = bed;
  return { directory, store, storeUrl, nowMs: Date.now() };
};

/** New credentials, as `hanse operator create` makes them. */
async function operator(name: string): Promise<OperatorClient> {
  const path = await createOperator(parseOperatorName(name), bed.directory.rootKey, provisioning());
  return createOperatorClient({ profile: await readOperatorProfile(path) });
}

const revoke = (name: string, by = ada) => by.call(revokeOperator, { params: { operator: name } });
const invite = (client: OperatorClient, subset: string) =>
  client.call(createInvite, { params: { subset }, body: {} });
const refused = { code: 'not-permitted', message: /your certificate is revoked/ };

test('operators are listed with their state, and without secrets', async () => {
  await operator('berta');
  const { operators } = await ada.call(listOperators, {});
  assert.deepEqual(
    operators.map(({ name, revoked }) => [name, revoked]),
    [
      [operatorName, undefined],
      ['berta', undefined],
    ],
  );
  for (const { certificateEndsAtMs, createdAtMs } of operators)
    assert.ok(certificateEndsAtMs > createdAtMs);
});

test('a revoked operator is refused by every master, and others are not', async () => {
  const carl = await operator('carl');
  await invite(carl, 'hamburg');
  const { revoked } = await revoke('carl');
  assert.equal(revoked?.by, `operator:${operatorName}`);
  await assert.rejects(invite(carl, 'hamburg'), refused);
  await until('the other master has heard of it', async () => {
    const master = parseMasterName('spree');
    return await carl.call(getStatus, {}, { master }).then(
      () => false,
      ({ code }) => code === 'not-permitted',
    );
  });
  await assert.rejects(invite(carl, 'berlin'), refused);
  await invite(ada, 'berlin');
});

test('what it watches is cut off', async () => {
  const dora = await operator('dora');
  const events = dora.stream(watchEvents, {}, { master: parseMasterName('elbe') });
  let hasHeard = false;
  const first = events.next().then(() => {
    hasHeard = true;
  });
  await until('it hears what happens', async () => {
    await invite(ada, 'hamburg');
    return hasHeard;
  });
  await first;
  await revoke('dora');
  await assert.rejects(
    async () => {
      for await (const _ of events);
    },
    { code: 'interrupted' },
  );
});

test('a key stays revoked when its operator gets another', async () => {
  const before = await operator('emil');
  await revoke('emil');
  await assert.rejects(
    renewOperator(parseOperatorName('emil'), bed.directory.rootKey, provisioning()),
    { code: 'revoked' },
  );
  const after = await operator('emil');
  await until('the new one is known', () =>
    invite(after, 'hamburg').then(
      () => true,
      () => false,
    ),
  );
  await assert.rejects(invite(before, 'hamburg'), refused);
});

test('there is one key for an operator at a time', async () => {
  await operator('fritz');
  await assert.rejects(operator('fritz'), { code: 'exists', message: /revoke/ });
});

test('whoever revokes itself hears that it is done', async () => {
  const gustav = await operator('gustav');
  const { revoked } = await revoke('gustav', gustav);
  assert.equal(revoked?.by, 'operator:gustav');
  await assert.rejects(invite(gustav, 'hamburg'), refused);
});

test('done again it changes nothing, and of nobody it is an error that names those that there are', async () => {
  await operator('hans');
  const first = await revoke('hans');
  assert.deepEqual(await revoke('hans'), first);
  const { entries } = await ada.call(listVpnAudit, {});
  const ofHans = entries.filter(({ subject }) => subject === 'hans');
  assert.deepEqual(
    ofHans.map(({ action, actor }) => [action, actor]),
    [['operator-revoked', `operator:${operatorName}`]],
  );
  await assert.rejects(revoke('nobody'), {
    code: 'no-such-operator',
    message: /the VPN has: ada, .*hans/,
  });
});
