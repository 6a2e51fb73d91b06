import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { CertificateBed, honestExtensions } from '../../../test/support/certificate-bed.ts';
import { rootOf } from '../../../test/support/forger.ts';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { type ClientSession, SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { listAudit, listVpnAudit } from '../../api/audit-endpoints.ts';
import type { OperatorClient } from '../../api/client/operator-client.ts';
import { listInvites, revokeInvite } from '../../api/invite-endpoints.ts';
import {
  getMember,
  listMembers,
  type RemovalProgress,
  removeMember,
  unbanMember,
} from '../../api/member-endpoints.ts';
import { getStatus, type LiveEvent, watchEvents } from '../../api/status-endpoints.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../../model/names.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import { auditKey, vpnAuditKey } from '../../store/keys.ts';

const hamburg = parseSubsetName('hamburg');
const berlin = parseSubsetName('berlin');

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
let operator: OperatorClient;
/** Makes certificates that nobody asked for. */
let forger: CertificateBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['spree'] } });
  [elbe, spree, operator, forger] = await Promise.all([
    RunningMaster.start(bed, 'elbe'),
    RunningMaster.start(bed, 'spree'),
    bed.operator(),
    CertificateBed.create('corp'),
  ]);
});
after(async () => {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number | undefined;
  readonly body: Record<string, unknown>;
}

/** A request with whatever certificate, past the client. */
async function ask(
  node: Pick<SessionNode, 'chain' | 'keyPair'> | undefined,
  path: string,
  options: { readonly method?: string; readonly body?: string } = {},
): Promise<Answer> {
  const credentials = node && {
    cert: node.chain.join('\n'),
    key: node.keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  const sent = request({
    ...credentials,
    host: hostOf(elbe.endpoint),
    port: portOf(elbe.endpoint),
    path,
    method: options.method ?? 'GET',
    headers: options.body === undefined ? {} : { 'content-type': 'application/json' },
    rejectUnauthorized: false,
    agent: false,
  }).end(options.body);
  const [response] = await once(sent, 'response');
  return { status: response.statusCode, body: JSON.parse(await text(response)) };
}

async function joined(name: string, subset = 'hamburg'): Promise<SessionNode> {
  const master = subset === 'hamburg' ? elbe : spree;
  const node = new SessionNode(name);
  const { token } = await invite(bed, subset);
  const { session } = await node.join(master.endpoint, token);
  await session[Symbol.asyncDispose]();
  return node;
}

async function live(name: string): Promise<ClientSession> {
  const session = await (await joined(name)).resume(elbe.endpoint);
  const { view } = await session.expect('view');
  session.acknowledge(view);
  return session;
}

function acknowledgeKeys(session: ClientSession): void {
  session.socket.on('message', (data) => {
    const message = JSON.parse(String(data));
    if (message.type === 'key-changed') session.acknowledge(message);
  });
}

async function masterCredentials(): Promise<SessionNode> {
  const credentials = await forger.forge({
    issuer: await rootOf(bed),
    extensions: honestExtensions(forger.master('spree')),
    intermediates: [],
  });
  return new SessionNode('spree', credentials);
}

test('nobody but an operator may use an operator’s endpoint, and every refusal is counted', async () => {
  const cases: readonly [SessionNode | undefined, string, RegExp][] = [
    [undefined, 'no-certificate', /present a client certificate/],
    [new SessionNode('stranger'), 'untrusted', /was not issued by this VPN/],
    [await joined('anna'), 'not-permitted', /for operators; your certificate is of a member/],
    [await masterCredentials(), 'not-permitted', /for operators; your certificate is of a master/],
  ];
  for (const [node, countedAs, message] of cases) {
    for (const path of ['/v1/status', '/v1/subsets/hamburg/members']) {
      const before = await elbe.refused(countedAs);
      const { status, body } = await ask(node, path);
      assert.deepEqual([status, body['code']], [403, 'not-permitted'], path);
      assert.match(String(body['message']), message);
      assert.equal(await elbe.refused(countedAs), before + 1);
    }
  }
});

test('who may not ask is told so before anything of what he sends is read', async () => {
  const path = '/v1/placement/policy?ifRevision=0';
  for (const node of [undefined, await joined('reader'), await masterCredentials()]) {
    const { status, body } = await ask(node, path, { method: 'PUT', body: '{"text":' });
    assert.deepEqual([status, body['code']], [403, 'not-permitted']);
  }
});

test('a master tells another one of a shared member, with the certificate as the proof', async () => {
  const master = await masterCredentials();
  const [anna, other] = [await joined('shared'), await joined('lonely', 'berlin')];
  const path = '/v1/subsets/hamburg/members/shared/also-in';
  const claim = (chain: readonly string[]) =>
    ask(master, path, { method: 'POST', body: JSON.stringify({ chain }) });
  // Somebody else's membership of the other subset proves nothing.
  const { status, body } = await claim(other.chain);
  assert.deepEqual([status, body['code']], [409, 'refused']);
  assert.equal((await ask(anna, path, { method: 'POST', body: '{}' })).status, 403);
  // The same key joins the other subset, and its master tells this one.
  const { token } = await invite(bed, 'berlin');
  const { session } = await anna.join(spree.endpoint, token);
  await session[Symbol.asyncDispose]();
  await until('both rolls say so', () => {
    const name = parseMemberName('shared');
    const here = elbe.subset('hamburg').state.roll.findActive(name);
    const there = spree.subset('berlin').state.roll.findActive(name);
    return here?.alsoIn.includes(berlin) && there?.alsoIn.includes(hamburg);
  });
});

test('a request is answered by the master that is responsible, and others say which that is', async () => {
  const wrong = operator.call(
    listMembers,
    { params: { subset: berlin } },
    { master: parseMasterName('elbe') },
  );
  await assert.rejects(wrong, { code: 'not-acting', message: /berlin is governed by spree/ });
  const { members } = await operator.call(listMembers, { params: { subset: berlin } });
  assert.ok(members.every(({ subset }) => subset === berlin));
  const unknown = operator.call(
    listMembers,
    { params: { subset: parseSubsetName('atlantis') } },
    { master: parseMasterName('elbe') },
  );
  await assert.rejects(unknown, { code: 'no-such-subset' });
});

test('requests that are not valid are answered with what is wrong', async () => {
  const profile = await operatorNode();
  const bad: readonly [string, string, string | undefined, number][] = [
    ['POST', '/v1/subsets/hamburg/invites', '{"uses":0}', 400],
    ['POST', '/v1/subsets/hamburg/invites', '{"uses":', 400],
    ['POST', '/v1/subsets/HAMBURG/invites', '{}', 400],
    ['POST', '/v1/subsets/hamburg/invites', `{"memberName":"${'x'.repeat(70_000)}"}`, 413],
    ['GET', '/v1/subsets/hamburg/members?limit=0', undefined, 400],
    ['GET', '/v1/subsets/hamburg/members/nobody', undefined, 404],
    ['DELETE', '/v1/subsets/hamburg/invites/00000000-0000-4000-8000-000000000000', undefined, 404],
    ['GET', '/v1/nonsense', undefined, 404],
  ];
  for (const [method, path, body, expected] of bad) {
    const answer = await ask(profile, path, { method, ...(body === undefined ? {} : { body }) });
    assert.equal(answer.status, expected, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    assert.equal(typeof answer.body['message'], 'string');
  }
});

test('an eviction streams who has applied it, and names who has not', async () => {
  await using one = await live('berta');
  await using two = await live('carla');
  await using mute = await live('dora');
  acknowledgeKeys(one);
  acknowledgeKeys(two);
  await live('victim');
  const lines: RemovalProgress[] = [];
  for await (const line of operator.stream(removeMember, {
    params: { subset: hamburg, name: parseMemberName('victim') },
    body: { kind: 'evict', waitMs: 300 },
  }))
    lines.push(line);
  const [removed] = lines;
  assert.ok(removed?.type === 'removed');
  assert.equal(removed.connected, 3);
  const acknowledged = lines.flatMap((line) => (line.type === 'acknowledged' ? [line.member] : []));
  assert.deepEqual(acknowledged.sort(), ['berta', 'carla']);
  const finished = lines.at(-1);
  assert.ok(finished?.type === 'finished');
  assert.equal(finished.acknowledged, 2);
  assert.deepEqual(
    finished.pending.filter(({ connected }) => connected),
    [{ member: 'dora', connected: true }],
  );
  assert.equal(finished.pendingTotal, removed.members - 2);
  assert.equal(mute.closed, undefined);
  assert.equal(
    elbe.host.memberPeers.some(({ allowedIps }) => allowedIps.includes('victim' as never)),
    false,
  );
});

test('an eviction is over at once when everybody who is left has applied it', async () => {
  const { roll } = elbe.subset('hamburg').state;
  const { departures } = elbe.subset('hamburg');
  for (const { name } of [...roll.activeMembers()])
    await departures.remove(name, 'evicted', 'operator:ada');
  await using stayer = await live('emil');
  acknowledgeKeys(stayer);
  await live('victim-2');
  const lines: RemovalProgress[] = [];
  for await (const line of operator.stream(removeMember, {
    params: { subset: hamburg, name: parseMemberName('victim-2') },
    body: { kind: 'ban', waitMs: 600_000 },
  }))
    lines.push(line);
  assert.deepEqual(
    lines.map(({ type }) => type),
    ['removed', 'acknowledged', 'finished'],
  );
});

test('whoever goes while an eviction is followed is not waited for', async () => {
  await using stayer = await live('frida');
  acknowledgeKeys(stayer);
  await joined('leaver');
  await joined('victim-3');
  const { departures } = elbe.subset('hamburg');
  await departures.remove(parseMemberName('emil'), 'evicted', 'operator:ada');
  const types: string[] = [];
  for await (const line of operator.stream(removeMember, {
    params: { subset: hamburg, name: parseMemberName('victim-3') },
    body: { kind: 'evict', waitMs: 600_000 },
  })) {
    types.push(line.type);
    if (line.type === 'removed')
      await departures.remove(parseMemberName('leaver'), 'evicted', 'operator:ada');
    if (line.type === 'finished') assert.deepEqual(line.pending, []);
  }
  assert.deepEqual(types, ['removed', 'acknowledged', 'finished']);
});

test('an eviction of somebody who is not there is a problem, not a stream', async () => {
  const evict = (name: string) =>
    operator
      .stream(removeMember, {
        params: { subset: hamburg, name: parseMemberName(name) },
        body: { kind: 'evict', waitMs: 0 },
      })
      .next();
  await assert.rejects(evict('nobody'), { code: 'no-such-member', status: 404 });
  await assert.rejects(evict('victim-3'), { code: 'not-active', status: 409 });
});

test('invites are listed with their uses, and revoked by their id', async () => {
  const { id, token } = await invite(bed, 'hamburg', { uses: 3, memberName: 'gerda' });
  const { session } = await new SessionNode('other-name').join(elbe.endpoint, token);
  await session[Symbol.asyncDispose]();
  const list = async () =>
    (await operator.call(listInvites, { params: { subset: hamburg } })).invites;
  const found = (await list()).find((entry) => entry.id === id);
  assert.deepEqual(
    [found?.uses, found?.used, found?.memberName, found?.createdBy],
    [3, 1, 'gerda', 'ada'],
  );
  await operator.call(revokeInvite, { params: { subset: hamburg, id } });
  assert.equal(
    (await list()).some((entry) => entry.id === id),
    false,
  );
  await using refused = await new SessionNode('hans').askToJoin(elbe.endpoint, token);
  assert.equal((await refused.expect('refused')).code, 'token-used');
});

test('the roll is listed page by page, former members only when asked for', async () => {
  const all: string[] = [];
  for (let after: string | undefined; ; ) {
    const page = await operator.call(listMembers, {
      params: { subset: hamburg },
      query: { state: 'all', limit: 2, ...(after ? { after: parseMemberName(after) } : {}) },
    });
    all.push(...page.members.map(({ name }) => name));
    after = page.next;
    if (!after) break;
  }
  assert.deepEqual(all, [...all].sort());
  assert.equal(new Set(all).size, all.length);
  const active = await operator.call(listMembers, { params: { subset: hamburg } });
  assert.ok(active.members.every(({ state }) => state === 'active'));
  assert.ok(active.total < all.length);
  const shown = await operator.call(getMember, {
    params: { subset: hamburg, name: parseMemberName('victim-2') },
  });
  assert.equal(shown.state, 'banned');
  await operator.call(unbanMember, {
    params: { subset: hamburg, name: parseMemberName('victim-2') },
  });
});

test('the audit log tells who did what, newest first', async () => {
  const { entries } = await operator.call(listAudit, {
    params: { subset: hamburg },
    query: { limit: 1_000 },
  });
  const times = entries.map(({ atMs }) => atMs);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => b - a),
  );
  const ban = entries.find(({ action }) => action === 'member-banned');
  assert.deepEqual([ban?.actor, ban?.subject, ban?.master], ['operator:ada', 'victim-2', 'elbe']);
  assert.ok(
    entries.some(({ action, subject }) => action === 'member-unbanned' && subject === 'victim-2'),
  );
});

test('what a later version has written into the audit logs is shown as it is, and hides nothing else', async () => {
  const entry = { version: 1, action: 'flag-hoisted', actor: 'operator:ada', master: 'elbe' };
  const ofSubset = { ...entry, atMs: 1, subset: hamburg, subject: 'anna', epoch: 1, colour: 'red' };
  const ofVpn = { ...entry, atMs: 1, subject: 'fleet' };
  const then = [
    { put: auditKey(hamburg, 1, 'later'), value: encodeRecord(ofSubset) },
    { put: vpnAuditKey(1, 'later'), value: encodeRecord(ofVpn) },
  ];
  await bed.store.transact({ if: [], then });
  const query = { limit: 1_000 };
  const { entries } = await operator.call(listAudit, { params: { subset: hamburg }, query });
  assert.ok(entries.length > 1);
  assert.deepEqual([entries.at(-1)?.action, entries.at(-1)?.subject], ['flag-hoisted', 'anna']);
  const vpn = await operator.call(listVpnAudit, { query });
  assert.deepEqual(vpn.entries.at(-1), ofVpn);
});

test('live events tell of memberships, sessions and refusals as they happen', async () => {
  const stop = new AbortController();
  const events: LiveEvent[] = [];
  const listening = (async () => {
    const options = { master: parseMasterName('elbe'), signal: stop.signal };
    for await (const event of operator.stream(watchEvents, {}, options)) events.push(event);
  })();
  await until('the first event', async () => {
    await ask(undefined, '/v1/status');
    return events.length > 0;
  });
  await using session = await live('ida');
  assert.ok(session);
  await until('all kinds', () => new Set(events.map(({ type }) => type)).size === 3);
  stop.abort();
  await assert.rejects(listening);
});

test('the status counts what was received, by sender and kind', async () => {
  const status = await operator.call(getStatus, {}, { master: parseMasterName('elbe') });
  const kinds = new Set(status.received.map(({ sender, kind }) => `${sender} ${kind}`));
  for (const expected of [
    'unknown join',
    'member:hamburg hello',
    'member:hamburg acknowledge',
    'operator:ada GET /v1/status',
    'operator:ada POST /v1/subsets/:subset/invites',
    'master:spree POST /v1/subsets/:subset/members/:name/also-in',
  ])
    assert.ok(kinds.has(expected), `${expected} in ${[...kinds].join(', ')}`);
  assert.ok(status.refused.some(({ code, count }) => code === 'not-permitted' && count > 0));
});

async function operatorNode(): Promise<SessionNode> {
  const credentials = await forger.forge({
    issuer: await rootOf(bed),
    extensions: honestExtensions(forger.operator('edda')),
    intermediates: [],
  });
  return new SessionNode('edda', credentials);
}
