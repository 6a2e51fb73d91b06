import assert from 'node:assert/strict';
import { test } from 'node:test';
import { invite } from '../../../test/support/invite.ts';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { startLoneMaster } from '../../../test/support/lone-master.ts';
import { operatorName } from '../../../test/support/master-bed.ts';
import { SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { confirmMember, listMembers } from '../../api/member-endpoints.ts';
import { memberLinkLocal, sealedAddress } from '../../core/addressing.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { verifyChain } from '../../trust/certificate-check.ts';
import { identityKeyOf, identityOfLeaf } from '../../trust/leaf-certificate.ts';

const hamburg = parseSubsetName('hamburg');
const actor = `operator:${operatorName}`;

const lone = await startLoneMaster();
const { bed, master: elbe } = lone;

const joined = (name: string) => joinedNode(name, lone);

const departures = () => elbe.subset('hamburg').departures;

test('a node with an invite becomes a member: certificate, place, view, and a peer of the gateway', async () => {
  const { token } = await invite(bed, 'hamburg');
  const node = new SessionNode('anna');
  const { session, admitted } = await node.join(elbe.endpoint, token);
  await using _ = session;
  const leaf = await verifyChain({
    chain: admitted.chain,
    root: bed.vpn.rootCertificate,
    nowMs: Date.now(),
    expected: {
      kind: 'member',
      vpn: bed.vpn.name,
      subset: hamburg,
      name: parseMemberName('anna'),
    },
  });
  assert.equal(leaf.wireguardKeys['acting'], node.wireguardKey);
  const peer = elbe.host.memberPeers.find(({ publicKey }) => publicKey === node.wireguardKey);
  const { ipv4, ipv6 } = admitted.place;
  const linkLocal = memberLinkLocal(ipv6);
  const addresses = [`${ipv4}/32`, `${ipv6}/128`, `${linkLocal}/128`];
  assert.deepEqual(peer?.allowedIps, [...addresses, `${sealedAddress(ipv6)}/128`]);
  assert.equal(admitted.view.acting.name, 'elbe');
  assert.equal(admitted.view.key.groupKey, elbe.subset('hamburg').state.key.groupKey);
});

test('a member that has the newest view hears nothing, and has acknowledged it by saying so', async () => {
  const node = await joined('berta');
  const view = elbe.view('hamburg');
  await using session = await node.resume(elbe.endpoint, view);
  await until('the acknowledgement', () => {
    const live = elbe.master.hub.find(hamburg, parseMemberName('berta'));
    return live?.appliedRevision === view.revision;
  });
  assert.deepEqual(session.messages, []);
});

test('a member that has an older view, or one from another life, gets the newest whole', async () => {
  const node = await joined('carla');
  for (const revision of [0, 1, 10_000_000]) {
    const { key } = elbe.view('hamburg');
    await using session = await node.resume(elbe.endpoint, { revision, key });
    const { view } = await session.expect('view');
    assert.equal(view.key.epoch, elbe.subset('hamburg').state.key.epoch);
  }
});

test('a rotation reaches a member that is up to date as a change of the key alone', async () => {
  const node = await joined('dora');
  const before = elbe.view('hamburg');
  await using session = await node.resume(elbe.endpoint, before);
  await until('the session', () => elbe.master.hub.find(hamburg, parseMemberName('dora')));
  const key = await departures().rotate(actor);
  const change = await session.expect('key-changed');
  assert.equal(change.previousRevision, before.revision);
  assert.deepEqual(change.key, { epoch: before.key.epoch + 1, groupKey: key.groupKey });
  assert.equal(change.revision, elbe.view('hamburg').revision);
});

test('an acknowledgement of what was never sent is not believed', async () => {
  const node = await joined('emil');
  await using session = await node.resume(elbe.endpoint);
  const { view } = await session.expect('view');
  session.acknowledge({ ...view, revision: view.revision + 1_000 });
  session.acknowledge({ ...view, key: { epoch: view.key.epoch + 1 } });
  session.acknowledge({ ...view, revision: view.revision - 1 });
  const live = await until('an acknowledgement', () => {
    const found = elbe.master.hub.find(hamburg, parseMemberName('emil'));
    return found?.appliedRevision ? found : undefined;
  });
  assert.deepEqual([live.appliedRevision, live.appliedEpoch], [view.revision - 1, view.key.epoch]);
});

test('a renewal gives a younger certificate for the same key, in a session and before one', async () => {
  const node = await joined('frida');
  await using session = await node.connect(elbe.endpoint);
  for (const state of ['before', 'in']) {
    session.send({ type: 'renew' });
    const { chain } = await session.expect('renewed');
    assert.notEqual(chain[0], node.chain[0], state);
    if (state === 'before') {
      session.sayHello();
      await session.expect('view');
    }
  }
});

test('a session that began with a join renews for the key that it joined with', async () => {
  const { token } = await invite(bed, 'hamburg');
  const node = new SessionNode('gerda');
  const { session } = await node.join(elbe.endpoint, token);
  await using _ = session;
  session.send({ type: 'renew' });
  const { chain } = await session.expect('renewed');
  const leaf = identityOfLeaf(chain[0] ?? '');
  const publicKey = node.keyPair.publicKey.export({ type: 'spki', format: 'der' });
  assert.equal(leaf.publicKeySpkiSha256, identityKeyOf(publicKey));
  assert.equal(leaf.identity.name, 'gerda');
});

test('a member that leaves is told so, and not the key that follows', async () => {
  const [leaver, stayer] = [await joined('hans'), await joined('ida')];
  await using leaving = await leaver.resume(elbe.endpoint);
  await using staying = await stayer.resume(elbe.endpoint);
  await Promise.all([leaving.expect('view'), staying.expect('view')]);
  leaving.send({ type: 'leave' });
  assert.equal((await leaving.expect('ended')).reason, 'left');
  assert.deepEqual(await leaving.close(), { code: 1_000, reason: 'left' });
  await staying.expect('key-changed');
  assert.deepEqual(leaving.messages, []);
});

test('an evicted member hears no key that is made from then on, and cannot resume', async () => {
  const node = await joined('jan');
  await using session = await node.resume(elbe.endpoint);
  await session.expect('view');
  await departures().remove(parseMemberName('jan'), 'evicted', actor);
  assert.equal((await session.expect('ended')).reason, 'evicted');
  await session.close();
  assert.deepEqual(session.messages, []);
  await using again = await node.resume(elbe.endpoint);
  const refused = await again.expect('refused');
  assert.equal(refused.code, 'not-a-member');
  assert.match(refused.message, /jan is out of hamburg: evicted/);
  await using renewing = await node.connect(elbe.endpoint);
  renewing.send({ type: 'renew' });
  assert.equal((await renewing.expect('refused')).code, 'not-a-member');
});

test('a member that is put out while its certificate is made gets neither session nor key', async () => {
  const { token } = await invite(bed, 'hamburg');
  const gate = Promise.withResolvers<void>();
  elbe.host.held = gate.promise;
  await using session = await new SessionNode('karl').askToJoin(elbe.endpoint, token);
  await until('the admission', () =>
    elbe.subset('hamburg').state.roll.findActive(parseMemberName('karl')),
  );
  await departures().remove(parseMemberName('karl'), 'evicted', actor);
  elbe.host.held = undefined;
  gate.resolve();
  assert.equal((await session.expect('refused')).code, 'not-a-member');
  assert.equal(elbe.master.hub.find(hamburg, parseMemberName('karl')), undefined);
});

test('a join that takes longer than a connection may be silent is answered', async () => {
  const { token } = await invite(bed, 'hamburg');
  const gate = Promise.withResolvers<void>();
  elbe.host.held = gate.promise;
  await using session = await new SessionNode('paul').askToJoin(elbe.endpoint, token);
  await until('the admission', () =>
    elbe.subset('hamburg').state.roll.findActive(parseMemberName('paul')),
  );
  elbe.clock.jump(10_000);
  elbe.host.held = undefined;
  gate.resolve();
  assert.equal((await session.expect('admitted')).place.name, 'paul');
});

test('a node that goes away while it is admitted leaves no session behind', async () => {
  const { token } = await invite(bed, 'hamburg');
  const connected: string[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const event of elbe.master.events.subscribe(stop.signal))
      if (event.type === 'session' && event.change === 'connected') connected.push(event.member);
  })();
  const gate = Promise.withResolvers<void>();
  elbe.host.held = gate.promise;
  const node = new SessionNode('lena');
  const session = await node.askToJoin(elbe.endpoint, token);
  await until('the admission', () =>
    elbe.subset('hamburg').state.roll.findActive(parseMemberName('lena')),
  );
  await session[Symbol.asyncDispose]();
  elbe.host.held = undefined;
  gate.resolve();
  // The same invite brings the answer that was lost, in the only session that there is.
  const repeated = await node.join(elbe.endpoint, token);
  assert.equal(repeated.admitted.place.name, 'lena');
  await until('the session', () => connected.length > 0);
  assert.deepEqual(connected, ['lena']);
  stop.abort();
  await watching;
  await repeated.session[Symbol.asyncDispose]();
  await until('no session', () => !elbe.master.hub.find(hamburg, parseMemberName('lena')));
});

test('a suspended member is asked to try again, also when it renews, until it is confirmed', async () => {
  const node = await joined('mia');
  const { roll, subset } = elbe.subset('hamburg').state;
  const member = roll.findActive(parseMemberName('mia'));
  assert.ok(member && subset === hamburg);
  // As the master finds it that opens a restored roll.
  roll.putMember({ ...member, state: 'suspended' });
  const { token } = await invite(bed, 'hamburg');
  const attempts = [
    await node.resume(elbe.endpoint),
    await node.connect(elbe.endpoint),
    await node.askToJoin(elbe.endpoint, token),
  ];
  attempts[1]?.send({ type: 'renew' });
  for (const session of attempts) {
    const { code, retryable, message } = await session.expect('refused');
    assert.deepEqual([code, retryable], ['suspended', true]);
    assert.match(message, /hanse member confirm mia\.hamburg/);
    await session[Symbol.asyncDispose]();
  }
  await elbe.master.gateway.refresh();
  const isPeer = () => elbe.host.memberPeers.some((peer) => peer.publicKey === node.wireguardKey);
  assert.ok(!isPeer());
  const operator = await bed.operator();
  const params = { subset: hamburg, name: member.name };
  const { members } = await operator.call(listMembers, {
    params: { subset: hamburg },
    query: { state: 'suspended' },
  });
  assert.deepEqual(
    members.map(({ name, state }) => [name, state]),
    [['mia', 'suspended']],
  );
  await operator.call(confirmMember, { params });
  await using session = await node.resume(elbe.endpoint);
  await session.expect('view');
  await until('it is a peer', isPeer);
});

test('a second session of a member replaces the first', async () => {
  const node = await joined('maria');
  await using first = await node.resume(elbe.endpoint);
  await first.expect('view');
  await using second = await node.resume(elbe.endpoint);
  await second.expect('view');
  await first.close();
  await departures().rotate(actor);
  await second.expect('key-changed');
  assert.equal(elbe.master.hub.find(hamburg, parseMemberName('maria'))?.cutReason, undefined);
});

test('messages are counted by the subset of their sender and their kind', async () => {
  const before = await elbe.received('member:hamburg', 'acknowledge');
  const node = await joined('nina');
  await using session = await node.resume(elbe.endpoint);
  const { view } = await session.expect('view');
  session.acknowledge(view);
  await until('the count', async () => {
    const now = await elbe.received('member:hamburg', 'acknowledge');
    return now === before + 1;
  });
});
