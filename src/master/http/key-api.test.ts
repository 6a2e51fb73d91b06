import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { listAudit } from '../../api/audit-endpoints.ts';
import type { OperatorClient } from '../../api/client/operator-client.ts';
import { getDirectory } from '../../api/directory-endpoints.ts';
import {
  getKeyStatus,
  type KeyStatus,
  type RotationProgress,
  rotateKey,
} from '../../api/key-endpoints.ts';
import type { View } from '../../api/messages.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../../model/names.ts';

const hamburg = parseSubsetName('hamburg');
const elbeName = parseMasterName('elbe');
const rotationMs = 86_400_000;

let bed: MasterBed;
let elbe: RunningMaster;
let operator: OperatorClient;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['spree'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  operator = await bed.operator();
});
after(async () => {
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

interface LiveMember {
  readonly node: SessionNode;
  readonly session: ClientSession;
  /** The view that it has applied. */
  readonly view: View;
}

async function live(name: string): Promise<LiveMember> {
  const node = new SessionNode(name);
  const { token } = await invite(bed, 'hamburg');
  const { session: joining } = await node.join(elbe.endpoint, token);
  await joining[Symbol.asyncDispose]();
  const session = await node.resume(elbe.endpoint);
  const { view } = await session.expect('view');
  session.acknowledge(view);
  return { node, session, view };
}

function acknowledgeKeys(session: ClientSession): void {
  session.socket.on('message', (data) => {
    const message = JSON.parse(String(data));
    if (message.type === 'key-changed') session.acknowledge(message);
  });
}

const status = (): Promise<KeyStatus> =>
  operator.call(getKeyStatus, { params: { subset: hamburg } });
const rotate = (waitMs: number): Promise<RotationProgress[]> =>
  Array.fromAsync(operator.stream(rotateKey, { params: { subset: hamburg }, body: { waitMs } }));
const untilConfirmed = (missing: number) =>
  until('they have confirmed it', async () => (await status()).pending.length === missing);

/** Nobody of the tests before is waited for. */
async function emptyRoll(): Promise<void> {
  const { departures, state } = elbe.subset('hamburg');
  for (const { name } of [...state.roll.activeMembers()]) {
    await departures.remove(name, 'evicted', 'operator:ada');
  }
}

test('a rotation streams who has applied it, and names who has not, connected or not', async () => {
  await emptyRoll();
  const [quick, mute, gone] = [await live('quick'), await live('mute'), await live('gone')];
  await using _quick = quick.session;
  await using _mute = mute.session;
  acknowledgeKeys(quick.session);
  await gone.session[Symbol.asyncDispose]();
  await until('the session is over', () => elbe.master.hub.count(hamburg) === 2);
  const before = elbe.subset('hamburg').state.key;

  const [first, ...others] = await rotate(300);
  assert.ok(first?.type === 'rotated');
  assert.deepEqual(
    [first.epoch, first.members, first.connected, first.masterHasApplied],
    [before.epoch + 1, 3, 2, true],
  );
  const finished = others.pop();
  assert.ok(finished?.type === 'finished');
  assert.deepEqual(
    others.map((line) => line.type === 'acknowledged' && line.member),
    ['quick'],
  );
  assert.deepEqual(
    finished.pending.toSorted((a, b) => a.member.localeCompare(b.member)),
    [
      { member: 'gone', connected: false },
      { member: 'mute', connected: true },
    ],
  );
  const { entries } = await operator.call(listAudit, {
    params: { subset: hamburg },
    query: { limit: 1 },
  });
  assert.deepEqual(
    entries.map(({ action, actor, subject, epoch }) => [action, actor, subject, epoch]),
    [['key-rotated-on-request', 'operator:ada', 'hamburg', first.epoch]],
  );
});

test('the status tells the age of the key and who has not confirmed it, and never the key', async () => {
  await emptyRoll();
  const [quick, mute] = [await live('quick-2'), await live('mute-2')];
  await using _mute = mute.session;
  acknowledgeKeys(quick.session);
  await untilConfirmed(0);
  await rotate(100);
  const { key } = elbe.subset('hamburg').state;
  const seen = await status();
  assert.deepEqual(seen, {
    subset: 'hamburg',
    master: 'elbe',
    epoch: key.epoch,
    shared: false,
    createdAtMs: key.createdAtMs,
    rotatesAtMs: key.createdAtMs + rotationMs,
    members: 2,
    pending: [{ member: 'mute-2', connected: true }],
    unboundMasters: [],
    unprovedMembers: [],
  });
  assert.ok(!JSON.stringify(seen).includes(key.groupKey));
  // Who has confirmed it and goes away has confirmed it.
  await quick.session[Symbol.asyncDispose]();
  await until('the session is over', () => elbe.master.hub.count(hamburg) === 1);
  assert.deepEqual((await status()).pending, [{ member: 'mute-2', connected: true }]);
  await mute.session[Symbol.asyncDispose]();
  await until('nobody is connected', () => elbe.master.hub.count(hamburg) === 0);
  assert.deepEqual((await status()).pending, [{ member: 'mute-2', connected: false }]);
});

test('whoever comes back to a newer key is missing until it has confirmed it', async () => {
  await emptyRoll();
  const { node, session, view } = await live('back');
  await session[Symbol.asyncDispose]();
  await rotate(0);
  await rotate(0);
  await using again = await node.resume(elbe.endpoint, view);
  const { view: newest } = await again.expect('view');
  assert.equal((await status()).pending.length, 1);
  again.acknowledge(newest);
  await untilConfirmed(0);
});

test('two operators who rotate at once both succeed, and neither waits for the other’s end', async () => {
  await emptyRoll();
  const { session } = await live('busy');
  await using _ = session;
  acknowledgeKeys(session);
  await untilConfirmed(0);
  const { epoch } = elbe.subset('hamburg').state.key;
  const runs = await Promise.all([rotate(60_000), rotate(60_000)]);
  const epochs = runs.map(([first]) => (first?.type === 'rotated' ? first.epoch : undefined));
  assert.deepEqual(epochs.toSorted(), [epoch + 1, epoch + 2]);
  for (const lines of runs) {
    const finished = lines.at(-1);
    assert.ok(finished?.type === 'finished');
    assert.deepEqual([finished.acknowledged, finished.pending], [1, []]);
  }
});

test('whoever is away is not waited for when nobody else is missing', async () => {
  await emptyRoll();
  const { session } = await live('present');
  await using _ = session;
  acknowledgeKeys(session);
  await live('away').then(({ session: ended }) => ended[Symbol.asyncDispose]());
  await until('the session is over', () => elbe.master.hub.count(hamburg) === 1);
  const waitMs = 60_000;
  const finished = (await rotate(waitMs)).at(-1);
  assert.ok(finished?.type === 'finished');
  assert.deepEqual(
    [finished.acknowledged, finished.pending],
    [1, [{ member: 'away', connected: false }]],
  );
  assert.ok(finished.afterMs < waitMs);
});

test('whoever is evicted while a rotation is followed is not waited for', async () => {
  await emptyRoll();
  const { session: stayer } = await live('stayer');
  await using _ = stayer;
  acknowledgeKeys(stayer);
  await live('leaver').then(({ session }) => session[Symbol.asyncDispose]());
  const { departures } = elbe.subset('hamburg');
  const types: string[] = [];
  const input = { params: { subset: hamburg }, body: { waitMs: 60_000 } };
  for await (const line of operator.stream(rotateKey, input)) {
    types.push(line.type);
    if (line.type === 'rotated') {
      await departures.remove(parseMemberName('leaver'), 'evicted', 'operator:ada');
    }
  }
  assert.deepEqual(types, ['rotated', 'acknowledged', 'finished']);
});

test('a master that does not act refuses both, and rotates nothing', async () => {
  const berlin = { params: { subset: parseSubsetName('berlin') } };
  const options = { master: elbeName };
  const refused = { code: 'not-acting', status: 421, message: /berlin is governed by spree/ };
  await assert.rejects(operator.call(getKeyStatus, berlin, options), refused);
  const rotation = operator.stream(rotateKey, { ...berlin, body: {} }, options);
  await assert.rejects(rotation.next(), refused);
});

test('half-way through a hand-over a rotation is refused, and the key stays', async () => {
  const { state } = elbe.subset('hamburg');
  const { epoch } = state.key;
  await state.close();
  const input = { params: { subset: hamburg }, body: {} };
  const options = { master: elbeName };
  await assert.rejects(operator.stream(rotateKey, input, options).next(), {
    code: 'not-acting',
    message: /hamburg is being handed over to another master/,
  });
  assert.equal(state.key.epoch, epoch);
});

test('the directory tells the age of the key among masters', async () => {
  const { backboneKey } = await operator.call(getDirectory, {});
  const { epoch, createdAtMs } = elbe.master.directory.backboneKey ?? {};
  assert.deepEqual(backboneKey, { epoch, createdAtMs });
});
