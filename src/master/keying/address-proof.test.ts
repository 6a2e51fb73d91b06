import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { makeAuthoritiesEarlier } from '../../../test/support/earlier-authority.ts';
import { formerAuthority } from '../../../test/support/forger.ts';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed, type MasterBedOptions } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { changeKeying, getKeyStatus } from '../../api/key-endpoints.ts';
import { unprovedAddresses } from '../../core/address-binding.ts';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../model/records/codec.ts';
import { authorityRecordSchema } from '../../model/records/roll.ts';
import { renewMaster } from '../../provision/renew-master.ts';
import { authorityKey } from '../../store/keys.ts';
import { readBinding } from '../../trust/chain-binding.ts';

const hamburg = parseSubsetName('hamburg');

let stack = new AsyncDisposableStack();
let bed: MasterBed;
let elbe: RunningMaster;
afterEach(async () => {
  await elbe[Symbol.asyncDispose]();
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

/** Hamburg, for which elbe acts and which trave backs up. */
async function start(
  options: Partial<MasterBedOptions> & { readonly isEarlier?: boolean },
): Promise<void> {
  bed = stack.use(await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] }, ...options }));
  if (options.isEarlier) await makeAuthoritiesEarlier(bed, 'hamburg');
  elbe = await RunningMaster.start(bed, 'elbe');
}

async function restart(): Promise<void> {
  await elbe[Symbol.asyncDispose]();
  elbe = await RunningMaster.start(bed, 'elbe');
}

async function renew(name: string): Promise<void> {
  const { directory, store, storeUrl } = bed;
  const options = { name: parseMasterName(name), rootKeyPath: directory.rootKey };
  await renewMaster(options, { directory, store, storeUrl, nowMs: Date.now() });
}

async function status() {
  const operator = await bed.operator();
  const { unboundMasters, unprovedMembers } = await operator.call(getKeyStatus, {
    params: { subset: hamburg },
  });
  return { unboundMasters, unprovedMembers };
}

async function join(name: string): Promise<SessionNode> {
  const node = new SessionNode(name);
  const { token } = await invite(bed, 'hamburg');
  const { session } = await node.join(elbe.endpoint, token);
  await session[Symbol.asyncDispose]();
  return node;
}

/** As a member that takes direct paths does, which tells what certificate it has. */
async function hello(node: SessionNode): Promise<ClientSession> {
  const client = await node.connect(elbe.endpoint);
  const { revision, key } = elbe.view('hamburg');
  client.send({
    ...{ type: 'hello', appliedRevision: revision, appliedEpoch: key.epoch },
    direct: { port: 40_000, addresses: [], peers: [], chain: [...node.chain] },
  });
  await until('its certificate is known', () =>
    elbe.master.hub.sessionsOf(hamburg).some((session) => session.chain().length > 0),
  );
  return client;
}

/** Whether others would believe a member of hamburg, whose certificate that is. */
function isProved({ name, chain }: SessionNode): boolean {
  const record = [...elbe.subset('hamburg').state.roll.activeMembers()].find(
    (member) => member.name === name,
  );
  assert.ok(record);
  return unprovedAddresses(record, readBinding(chain)) === undefined;
}

test('every admission and every renewal proves a member’s addresses', async () => {
  await start({});
  const anna = await join('anna');
  assert.ok(isProved(anna));
  await using client = await hello(anna);
  client.send({ type: 'renew' });
  const { chain } = await client.expect('renewed');
  assert.notEqual(chain[0], anna.chain[0]);
  anna.chain = chain;
  assert.ok(isProved(anna));
  assert.deepEqual(await status(), { unboundMasters: [], unprovedMembers: [] });
});

test('a VPN of an earlier version says which masters are to be renewed, and then which members have nothing new yet', async () => {
  await start({ isEarlier: true });
  const anna = await join('anna');
  assert.ok(!isProved(anna));
  assert.deepEqual(await status(), { unboundMasters: ['elbe', 'trave'], unprovedMembers: [] });
  await renew('trave');
  await renew('elbe');
  // It issues with what it had when it began to act.
  assert.deepEqual((await status()).unboundMasters, ['elbe']);
  await restart();
  assert.deepEqual((await status()).unboundMasters, []);

  const operator = await bed.operator();
  await operator.call(changeKeying, { body: { phase: 'changing' } });
  await using client = await hello(anna);
  assert.deepEqual((await status()).unprovedMembers, ['anna']);
  client.send({ type: 'renew' });
  anna.chain = (await client.expect('renewed')).chain;
  assert.ok(isProved(anna));
  assert.deepEqual(await status(), { unboundMasters: [], unprovedMembers: [] });
});

test('in one key’s mode nobody gets an address that the root has not given the subset, until masters are renewed', async () => {
  // A /29 has six places, of which the master has the first.
  await start({ keying: 'shared', ipv4BlockLength: 29 });
  for (let number = 1; number <= 5; number += 1) assert.ok(isProved(await join(`m-${number}`)));
  await until('another block', () => elbe.subset('hamburg').state.record.ipv4Blocks.length === 2);
  assert.deepEqual((await status()).unboundMasters, ['elbe', 'trave']);
  const { token } = await invite(bed, 'hamburg');
  const refuse = async () => {
    await using session = await new SessionNode('late').askToJoin(elbe.endpoint, token);
    return await session.expect('refused');
  };
  const { code, retryable, message } = await refuse();
  assert.deepEqual([code, retryable], ['subset-full', true]);
  assert.match(message, /hanse master renew/);

  // Its backup could not certify them, and may have to at any moment.
  await renew('elbe');
  await restart();
  assert.equal((await refuse()).code, 'subset-full');
  await renew('trave');
  await restart();
  assert.ok(isProved(await join('late')));
});

/** What a master that was a backup once has left in the roll, for the blocks that the subset has now. */
async function leaveAuthority(master: string): Promise<void> {
  const { certificatePem: certificate } = await formerAuthority(bed, 'hamburg', master);
  const [own, left] = ['elbe', master].map((name) => authorityKey(hamburg, parseMasterName(name)));
  assert.ok(own && left);
  const entry = await bed.store.get(own);
  assert.ok(entry);
  const record = decodeRecord(authorityRecordSchema, own, entry.value);
  const value = encodeRecord({ ...record, master, certificate });
  await bed.store.transact({ if: [], then: [{ put: left, value }] });
}

test('what a master certifies that serves the subset no more takes no address from it', async () => {
  await start({ keying: 'shared', ipv4BlockLength: 29 });
  await leaveAuthority('isar');
  for (let number = 1; number <= 5; number += 1) await join(`m-${number}`);
  await until('another block', () => elbe.subset('hamburg').state.record.ipv4Blocks.length === 2);
  await renew('elbe');
  await renew('trave');
  await restart();
  assert.ok(isProved(await join('late')));
});
