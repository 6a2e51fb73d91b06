import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FaultyStore } from '../../test/support/faulty-store.ts';
import { invite } from '../../test/support/invite.ts';
import { MasterBed, operatorName } from '../../test/support/master-bed.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../test/support/session-client.ts';
import { until } from '../../test/support/until.ts';
import { listVpnAudit } from '../api/audit-endpoints.ts';
import type { OperatorClient } from '../api/client/operator-client.ts';
import * as api from '../api/failover-endpoints.ts';
import {
  type DrainProgress,
  drainMaster,
  listFailovers,
  returnMaster,
} from '../api/failover-endpoints.ts';
import { getKeyStatus } from '../api/key-endpoints.ts';
import type { MasterMessage } from '../api/messages.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../model/names.ts';
import { leaseKey } from '../store/keys.ts';
import type { Transaction } from '../store/store.ts';
import { StoreError } from '../store/store-error.ts';
import { MasterLinks } from './master-links.ts';
import { readFailovers } from './subset/takeover-record.ts';

const hamburg = parseSubsetName('hamburg');
const [elbe, trave] = [parseMasterName('elbe'), parseMasterName('trave')];
const actor = `operator:${operatorName}`;

/** Two masters that serve one subset, and one that has nothing to do with it. */
let bed: MasterBed;
let home: RunningMaster;
let backup: RunningMaster;
let outsider: RunningMaster;
let storeOfHome: FaultyStore;
let operator: OperatorClient;
before(async () => {
  bed = await MasterBed.create({
    subsets: { hamburg: ['elbe', 'trave'], berlin: ['spree'] },
    lifetimes: { settleMs: 1_000 },
  });
  home = await RunningMaster.start(bed, 'elbe', {
    wrapStore: (store) => {
      storeOfHome = new FaultyStore(store);
      return storeOfHome;
    },
  });
  backup = await RunningMaster.start(bed, 'trave');
  outsider = await RunningMaster.start(bed, 'spree');
  operator = await bed.operator();
});
after(async () => {
  for (const master of [outsider, backup, home]) await master[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
afterEach(async () => {
  storeComesBack();
  await operator.call(returnMaster, { params: { master: elbe }, body: {} });
  await until('everybody knows that the home master acts', () =>
    [home, backup, outsider].every(({ master }) => master.directory.actingNow(hamburg) === elbe),
  );
});

function storeGoesAway(): void {
  const away = () =>
    Promise.reject(new StoreError('away', { code: 'unavailable', retryable: true }));
  Object.assign(storeOfHome, { keepLeaseAlive: away, grantLease: away });
}

function storeComesBack(): void {
  const { store } = bed;
  Object.assign(storeOfHome, {
    keepLeaseAlive: store.keepLeaseAlive.bind(store),
    grantLease: store.grantLease.bind(store),
  });
}

const actsNow = (master: RunningMaster) =>
  until(`${master.master.name} acts`, () => master.master.subsets.find(hamburg));

const isOffer = ({ then }: Transaction) =>
  then.some(
    (operation) => 'put' in operation && Buffer.from(operation.value).includes('"offered"'),
  );

async function memberAt(
  master: RunningMaster,
  name: string,
): Promise<{ node: SessionNode; session: ClientSession }> {
  const node = new SessionNode(name);
  const { token } = await invite(bed, 'hamburg');
  await (await node.join(home.endpoint, token)).session[Symbol.asyncDispose]();
  await until('the roll', () =>
    master.master.subsets.findServed(hamburg)?.roll.findActive(parseMemberName(name)),
  );
  const session = await node.resume(master.endpoint);
  session.acknowledge((await session.expect('view')).view);
  return { node, session };
}

test('the backup of a master that lost its store acts, and the history and the directory say so', async () => {
  storeGoesAway();
  await actsNow(backup);
  assert.equal(home.master.subsets.find(hamburg), undefined);
  await until('the outsider knows', () => outsider.master.directory.actingNow(hamburg) === trave);
  const { failovers } = await operator.call(listFailovers, {
    params: { subset: hamburg },
    query: {},
  });
  const [newest] = failovers;
  assert.ok(newest);
  assert.deepEqual([newest.from, newest.to, newest.change], ['elbe', 'trave', 'took-over']);
  assert.ok(newest.noticedAtMs <= newest.takenAtMs && newest.takenAtMs <= newest.actingAtMs);
});

test('the former master stays a serving one, and what the new one changes reaches it', async () => {
  const { session } = await memberAt(home, 'frieda');
  await using _ = session;
  storeGoesAway();
  const acting = await actsNow(backup);
  await acting.departures.rotate(actor);
  const { epoch } = acting.state.key;
  await until('the new key', () => session.messages.some((message) => epochOf(message) === epoch));
});

test('a home master that is well again takes its subset back when it has settled', async () => {
  storeGoesAway();
  await actsNow(backup);
  storeComesBack();
  await actsNow(home);
  const { failovers } = await operator.call(listFailovers, {
    params: { subset: hamburg },
    query: { limit: 1 },
  });
  assert.deepEqual(
    failovers.map(({ from, to, change }) => [from, to, change]),
    [['trave', 'elbe', 'returned']],
  );
});

test('a member whose session is with the backup renews its certificate there, from the acting master', async () => {
  const { node, session } = await memberAt(backup, 'greta');
  await using _ = session;
  session.send({ type: 'renew' });
  const { chain } = await session.expect('renewed');
  assert.notDeepEqual(chain, node.chain);
  assert.equal(await home.received('master:trave', `POST ${api.renewForBackup.path}`), 1);
});

test('an eviction is acknowledged also by members whose sessions are with the backup', async () => {
  const { session } = await memberAt(backup, 'hanna');
  await using _ = session;
  await memberAt(home, 'ilse').then(({ session: other }) => other[Symbol.asyncDispose]());
  const heard: number[] = [];
  const stopListening = home.master.hub.onAcknowledged(hamburg, (member, epoch) => {
    if (member === 'hanna') heard.push(epoch);
  });
  await home.subset('hamburg').departures.remove(parseMemberName('ilse'), 'evicted', actor);
  const changed = await session.expect('key-changed');
  session.acknowledge(changed);
  await until('the acknowledgement', () => heard.includes(changed.key.epoch));
  stopListening();
});

test('who has applied a key is known whichever master has the session, also to whoever acts next', async () => {
  const { session: here } = await memberAt(home, 'lena');
  const { session: there } = await memberAt(backup, 'mira');
  await using _here = here;
  await using _there = there;
  const isKnown = async (name: string) => {
    const { pending } = await operator.call(getKeyStatus, { params: { subset: hamburg } });
    return pending.every(({ member }) => member !== name);
  };
  for (const name of ['lena', 'mira']) await until(`${name} is known`, () => isKnown(name));
  storeGoesAway();
  await actsNow(backup);
  for (const name of ['lena', 'mira']) await until(`${name} is known`, () => isKnown(name));
  const { master } = await operator.call(getKeyStatus, { params: { subset: hamburg } });
  assert.equal(master, trave);
});

test('a member leaves through the backup', async () => {
  const { session } = await memberAt(backup, 'jutta');
  await using _ = session;
  session.send({ type: 'leave' });
  await until('it is out', () => {
    const member = home.subset('hamburg').state.roll.findByName(parseMemberName('jutta'));
    return member?.state === 'left';
  });
  assert.equal((await session.expect('ended')).reason, 'left');
});

test('a drained master gives its subset away, closes its sessions, and takes nothing until it is returned', async () => {
  const { session } = await memberAt(home, 'karla');
  await using _ = session;
  const steps: DrainProgress[] = [];
  const input = { params: { master: elbe }, body: {} };
  for await (const step of operator.stream(drainMaster, input)) steps.push(step);
  const [first, last] = [steps[0], steps.at(-1)];
  assert.deepEqual(first?.type === 'handed-over' && [first.subset, first.to], ['hamburg', 'trave']);
  assert.deepEqual(last?.type === 'finished' && [last.kept, last.sessions], [0, 0]);
  assert.equal((await session.close()).code, 1012);
  await actsNow(backup);
  assert.equal(await home.master.subsets.duty(hamburg).obstacle(), 'it is being emptied');
  await assert.rejects(linksOf(home).handOver(hamburg, 'returned', trave), {
    message: /elbe is being emptied: return it first/,
  });
});

test('a lease that the store ends under its holder is the holder’s again', async () => {
  const failovers = () => readFailovers(hamburg, 10, bed.store);
  const before = await failovers();
  for (let times = 0; times < 5; times += 1) {
    const former = await actsNow(home);
    const entry = await bed.store.get(leaseKey(hamburg));
    assert.ok(entry?.lease);
    await bed.store.revokeLease(entry.lease);
    await until('it acts anew', () => {
      const acting = home.master.subsets.find(hamburg);
      return acting !== undefined && acting !== former;
    });
  }
  assert.deepEqual(await failovers(), before);
});

test('a subset whose last change was not answered is given away as any other', async (context) => {
  const former = await actsNow(home);
  const transact = storeOfHome.transact.bind(storeOfHome);
  // Slow enough for whatever else the giver may write.
  context.mock.method(storeOfHome, 'transact', async (...args: Parameters<typeof transact>) => {
    if (isOffer(args[0])) await delay(500);
    return await transact(...args);
  });
  const held = Promise.withResolvers<void>();
  storeOfHome.held = held.promise;
  storeOfHome.faults.push('late');
  const rotation = former.departures.rotate(actor);
  const giving = home.master.subsets.duty(hamburg).handOver(trave, 'handed-over');
  storeOfHome.held = undefined;
  held.resolve();
  await assert.rejects(rotation, { code: 'unavailable' });
  await giving;
  const acting = await actsNow(backup);
  assert.equal(acting.state.key.epoch, former.state.key.epoch);
  assert.deepEqual(await storeOfHome.arrive(), [false]);
  const [newest] = await readFailovers(hamburg, 1, bed.store);
  assert.deepEqual([newest?.from, newest?.to, newest?.change], ['elbe', 'trave', 'handed-over']);
});

test('a drain that was not answered does not come after the return that calls it off', async () => {
  storeOfHome.faults.push('late');
  const input = { params: { master: elbe }, body: { waitMs: 500 } };
  await assert.rejects(async () => {
    for await (const _ of operator.stream(drainMaster, input));
  });
  await operator.call(returnMaster, { params: { master: elbe }, body: {} });
  assert.deepEqual(await storeOfHome.arrive(), [false]);
  assert.ok(!home.master.directory.drains.has(elbe));
});

test('what a drained master asked others to take and nobody could stays, and it is said why', async () => {
  const only = parseMasterName('spree');
  const steps: DrainProgress[] = [];
  const input = { params: { master: only }, body: { waitMs: 500 } };
  for await (const step of operator.stream(drainMaster, input)) steps.push(step);
  assert.deepEqual(steps[0], {
    type: 'kept',
    subset: 'berlin',
    reason: 'no other master serves it',
  });
  assert.ok(outsider.master.subsets.find(parseSubsetName('berlin')));
  for (const _ of ['asked', 'and asked again']) {
    await operator.call(returnMaster, { params: { master: only }, body: {} });
  }
  const { entries } = await operator.call(listVpnAudit, {});
  assert.deepEqual(
    entries
      .filter(({ subject }) => subject === only)
      .map(({ action, actor, master: by }) => [action, actor, by]),
    [
      ['master-returned', `operator:${operatorName}`, only],
      ['master-drained', `operator:${operatorName}`, only],
    ],
  );
});

test('only the masters of a subset may ask for it or for its members’ certificates', async () => {
  const links = linksOf(outsider);
  const master = elbe;
  const params = { subset: hamburg, name: parseMemberName('lena') };
  const refused = { code: 'not-permitted', message: /spree is no master of hamburg/ };
  await assert.rejects(links.handOver(hamburg, 'returned', master), refused);
  await assert.rejects(links.readiness(hamburg, master), refused);
  const body = { publicKey: Buffer.from('key').toString('base64') };
  await assert.rejects(links.call(api.renewForBackup, { params, body }, { master }), refused);
  const acknowledged = { params: { subset: hamburg }, body: { members: [] } };
  await assert.rejects(links.call(api.acknowledgeForBackup, acknowledged, { master }), refused);
  await assert.rejects(linksOf(backup).handOver(hamburg, 'returned', master), {
    code: 'refused',
    message: /hamburg is not at home at trave/,
  });
  assert.ok(home.master.subsets.find(hamburg), 'nothing was given away');
});

test('a backup cannot renew for a key that the member did not join with', async () => {
  const { session } = await memberAt(backup, 'mia');
  await using _ = session;
  const stranger = new SessionNode('stranger');
  const publicKey = stranger.keyPair.publicKey.export({ type: 'spki', format: 'der' });
  const input = {
    params: { subset: hamburg, name: parseMemberName('mia') },
    body: { publicKey: publicKey.toString('base64') },
  };
  await assert.rejects(linksOf(backup).call(api.renewForBackup, input, { master: elbe }), {
    code: 'refused',
    message: /mia joined with another key/,
  });
});

function epochOf(message: MasterMessage): number | undefined {
  if (message.type === 'view') return message.view.key.epoch;
  return message.type === 'key-changed' ? message.key.epoch : undefined;
}

function linksOf({ identity, master: { directory } }: RunningMaster): MasterLinks {
  return new MasterLinks({ identity, directory });
}
