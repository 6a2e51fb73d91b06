import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  type ApiServer,
  Refusal,
  type ServedRequest,
  startApiServer,
} from '../../../test/support/api-server.ts';
import { knownMaster, TestVpn, vpnView } from '../../../test/support/test-vpn.ts';
import type { MasterName } from '../../model/names.ts';
import { listAudit, listVpnAudit } from '../audit-endpoints.ts';
import { getDirectory } from '../directory-endpoints.ts';
import type { EndpointDefinition } from '../endpoint-definition.ts';
import {
  acknowledgeForBackup,
  drainMaster,
  getReadiness,
  handOver,
  leaveForBackup,
  listFailovers,
  renewForBackup,
  returnMaster,
} from '../failover-endpoints.ts';
import { createInvite, listInvites, revokeInvite } from '../invite-endpoints.ts';
import {
  changeKeying,
  getKeyStatus,
  getUnboundHere,
  getUnboundMasters,
  rotateKey,
} from '../key-endpoints.ts';
import {
  confirmMember,
  confirmMembers,
  getMember,
  listMembers,
  recordAlsoIn,
  removeMember,
  unbanMember,
} from '../member-endpoints.ts';
import { listOperators, revokeOperator } from '../operator-endpoints.ts';
import {
  getPlacementPolicy,
  removePlacementPolicy,
  setPlacementPolicy,
} from '../placement-endpoints.ts';
import { getStatus, watchEvents } from '../status-endpoints.ts';
import { ApiError, ClientError } from './client-error.ts';
import { createOperatorClient, type OperatorClient } from './operator-client.ts';
import type { CallInput } from './request-target.ts';

let vpn: TestVpn;
let fra: ApiServer;
let sin: ApiServer;
let client: OperatorClient;
/** What each master was asked, other than for the directory. */
const asked: { readonly master: string; readonly request: ServedRequest }[] = [];
let nextAnswer: unknown;

const timeMs = 1_795_000_000_000;
const directory = () => ({
  vpn: vpnView(timeMs),
  masters: [knownMaster('fra', fra.port), knownMaster('sin', sin.port), knownMaster('gone', 9)],
  subsets: [
    subsetView('europe', ['fra', 'sin']),
    subsetView('asia', ['sin']),
    subsetView('lost', ['gone']),
  ],
});

const subsetView = (name: string, [home = '', ...backups]: readonly string[], acting = home) => ({
  ...{ name, home, acting, backups },
  blocks: [{ prefixes: ['100.64.0.0/21'], order: [home, ...backups] }],
});

before(async () => {
  vpn = await TestVpn.create();
  const start = async (master: string) =>
    startApiServer({
      credentials: await vpn.master(master),
      clientRoot: vpn.root.certificatePem,
      answer: (request) => {
        if (request.endpoint.path === getDirectory.path) return directory();
        asked.push({ master, request });
        return nextAnswer;
      },
      relay: (name) =>
        ({ 'fra.masters.corp.hanse.internal': fra, 'sin.masters.corp.hanse.internal': sin })[name]
          ?.port,
    });
  fra = await start('fra');
  sin = await start('sin');
  const profile = await vpn.profile([knownMaster('fra', fra.port)]);
  // A master that is away for good is waited for no longer than a test has to.
  client = createOperatorClient({ profile, searchTimeoutMs: 10 });
});

after(async () => {
  await fra[Symbol.asyncDispose]();
  await sin[Symbol.asyncDispose]();
});

const id = '0b0d9b5e-6d0c-4c3b-9d5a-5f3d0c2f1e11';
const key = 'qGdpIVF4hEaGFCqCNB2pkwvuBb0yK5sXkPEwVjCxLlE=';
const member = {
  name: 'web-1',
  subset: 'asia',
  state: 'active',
  ipv4: '100.64.8.2',
  ipv6: 'fd00:1:2:2::2',
  identityKey: 'A'.repeat(43),
  keys: { acting: key },
  joinedAtMs: timeMs,
  certificateEndsAtMs: timeMs,
  alsoIn: ['europe'],
  acting: 'sin',
  backups: [],
  order: ['sin'],
};
const audit = {
  version: 1,
  atMs: timeMs,
  action: 'member-joined',
  actor: 'member:web-1',
  master: 'sin',
  subset: 'asia',
  subject: 'web-1',
  epoch: 1,
};
const vpnAudit = {
  ...{ version: 1, atMs: timeMs, action: 'placement-policy-set', actor: 'operator:ada' },
  ...{ master: 'fra', subject: 'ab'.repeat(32) },
};
const status = {
  master: 'fra',
  software: '0.1.0',
  startedAtMs: timeMs,
  wireguard: { backend: 'wireguard-go', version: '0.0.20231211' },
  store: 'sqlite',
  watches: ['directory/'],
  subsets: [],
  masters: [{ name: 'sin', handshakeAgeMs: 1_000, isAlive: true, sinceMs: timeMs }],
  received: [{ sender: 'operator:ada', kind: 'status', count: 1 }],
  refused: [],
};
const pem = '-----BEGIN CERTIFICATE-----\n';

/** What a caller passes, what the server must make of it, what it answers, and who must be asked. */
interface Case<E extends EndpointDefinition> {
  readonly endpoint: E;
  readonly input: CallInput<E>;
  readonly served?: Partial<Record<'params' | 'query' | 'body', unknown>>;
  readonly answer: unknown;
  readonly by: 'fra' | 'sin';
  /** For what only its caller knows whom to ask. */
  readonly master?: 'sin';
}
type Definitions = typeof import('../audit-endpoints.ts') &
  typeof import('../directory-endpoints.ts') &
  typeof import('../failover-endpoints.ts') &
  typeof import('../invite-endpoints.ts') &
  typeof import('../key-endpoints.ts') &
  typeof import('../member-endpoints.ts') &
  typeof import('../operator-endpoints.ts') &
  typeof import('../placement-endpoints.ts') &
  typeof import('../status-endpoints.ts');
type EndpointName = {
  [K in keyof Definitions]: Definitions[K] extends { readonly method: string } ? K : never;
}[keyof Definitions];

const inAsia = { params: { subset: 'asia' } };
const sinItself = { params: { master: 'sin' } };
const failover = {
  version: 1,
  subset: 'asia',
  from: 'fra',
  to: 'sin',
  change: 'took-over',
  noticedAtMs: timeMs,
  takenAtMs: timeMs + 3,
  actingAtMs: timeMs + 9,
};
const webInAsia = { params: { subset: 'asia', name: 'web-1' } };
const ada = {
  name: 'ada',
  identityKey: 'A'.repeat(43),
  createdAtMs: timeMs,
  certificateEndsAtMs: timeMs + 9,
};
/** The type demands a case for every endpoint. */
const cases: { readonly [K in EndpointName]: Case<Definitions[K]> } = {
  getDirectory: { endpoint: getDirectory, input: {}, answer: undefined, by: 'fra' },
  getStatus: { endpoint: getStatus, input: {}, answer: status, by: 'fra' },
  createInvite: {
    endpoint: createInvite,
    input: { ...inAsia, body: { uses: 3, memberName: 'web-1' } },
    served: { ...inAsia, body: { uses: 3, lifetimeMs: 86_400_000, memberName: 'web-1' } },
    answer: { id, token: 'hanse_x', expiresAtMs: timeMs, uses: 3 },
    by: 'sin',
  },
  listInvites: {
    endpoint: listInvites,
    input: inAsia,
    answer: { invites: [{ id, uses: 3, used: 1, expiresAtMs: timeMs, createdBy: 'ada' }] },
    by: 'sin',
  },
  revokeInvite: {
    endpoint: revokeInvite,
    input: { params: { subset: 'asia', id } },
    answer: {},
    by: 'sin',
  },
  listMembers: {
    endpoint: listMembers,
    input: { ...inAsia, query: { state: 'all', after: 'web-0' } },
    served: { ...inAsia, query: { state: 'all', after: 'web-0', limit: 200 } },
    answer: { members: [member], next: 'web-1', total: 2 },
    by: 'sin',
  },
  getMember: { endpoint: getMember, input: webInAsia, answer: member, by: 'sin' },
  removeMember: {
    endpoint: removeMember,
    input: { ...webInAsia, body: { kind: 'ban' } },
    served: { ...webInAsia, body: { kind: 'ban', waitMs: 10_000 } },
    answer: [
      {
        type: 'removed',
        tunnelIsDown: true,
        member: 'web-1',
        revision: 7,
        epoch: 2,
        afterMs: 3.5,
        members: 1,
        connected: 1,
        alsoIn: ['europe'],
      },
      { type: 'acknowledged', member: 'web-2', afterMs: 9 },
      { type: 'finished', acknowledged: 1, pending: [], pendingTotal: 0, afterMs: 9 },
    ],
    by: 'sin',
  },
  confirmMember: { endpoint: confirmMember, input: webInAsia, answer: {}, by: 'sin' },
  confirmMembers: {
    endpoint: confirmMembers,
    input: inAsia,
    answer: { members: ['web-1'] },
    by: 'sin',
  },
  unbanMember: { endpoint: unbanMember, input: webInAsia, answer: {}, by: 'sin' },
  listAudit: {
    endpoint: listAudit,
    input: { ...inAsia, query: { limit: 5 } },
    served: { query: { limit: 5 } },
    answer: { entries: [audit] },
    by: 'sin',
  },
  watchEvents: {
    endpoint: watchEvents,
    input: {},
    answer: [
      { type: 'membership', entry: audit },
      { type: 'refusal', atMs: timeMs, code: 'bad-token', message: 'no' },
    ],
    by: 'fra',
  },
  recordAlsoIn: {
    endpoint: recordAlsoIn,
    input: { ...webInAsia, body: { chain: [pem] } },
    served: { body: { chain: [pem] } },
    answer: {},
    by: 'sin',
  },
  getKeyStatus: {
    endpoint: getKeyStatus,
    input: inAsia,
    answer: {
      subset: 'asia',
      master: 'sin',
      epoch: 2,
      shared: true,
      createdAtMs: timeMs,
      rotatesAtMs: timeMs + 86_400_000,
      members: 3,
      pending: [{ member: 'web-1', connected: false }],
    },
    by: 'sin',
  },
  changeKeying: {
    endpoint: changeKeying,
    input: { body: { phase: 'changing' } },
    answer: { phase: 'changing' },
    by: 'fra',
  },
  getUnboundMasters: {
    endpoint: getUnboundMasters,
    input: {},
    answer: { unbound: [{ subset: 'asia', masters: ['sin'] }], unknown: ['lost'] },
    by: 'fra',
  },
  getUnboundHere: {
    endpoint: getUnboundHere,
    input: {},
    answer: { subsets: [{ subset: 'asia', masters: [] }] },
    by: 'sin',
    master: 'sin',
  },
  rotateKey: {
    endpoint: rotateKey,
    input: { ...inAsia, body: {} },
    served: { ...inAsia, body: { waitMs: 10_000 } },
    answer: [
      {
        type: 'rotated',
        revision: 7,
        epoch: 2,
        afterMs: 3.5,
        members: 1,
        connected: 1,
        masterHasApplied: true,
      },
      { type: 'acknowledged', member: 'web-1', afterMs: 9 },
      { type: 'finished', acknowledged: 1, pending: [], pendingTotal: 0, afterMs: 9 },
    ],
    by: 'sin',
  },
  drainMaster: {
    endpoint: drainMaster,
    input: { ...sinItself, body: {} },
    served: { ...sinItself, body: { waitMs: 60_000 } },
    answer: [
      { type: 'handed-over', subset: 'asia', to: 'fra', afterMs: 12.5 },
      { type: 'kept', subset: 'europe', reason: 'nobody is ready' },
      { type: 'sessions', left: 3, afterMs: 20 },
      { type: 'finished', kept: 1, sessions: 0, afterMs: 40 },
    ],
    by: 'sin',
  },
  returnMaster: {
    endpoint: returnMaster,
    input: sinItself,
    served: sinItself,
    answer: { subsets: [{ subset: 'asia', returned: false, reason: 'fra does not answer' }] },
    by: 'sin',
  },
  listFailovers: {
    endpoint: listFailovers,
    input: inAsia,
    served: { ...inAsia, query: { limit: 20 } },
    answer: { failovers: [failover] },
    by: 'sin',
  },
  handOver: {
    endpoint: handOver,
    input: { ...inAsia, body: { change: 'returned' } },
    served: { ...inAsia, body: { change: 'returned' } },
    answer: {},
    by: 'sin',
  },
  getReadiness: {
    endpoint: getReadiness,
    input: inAsia,
    answer: { ready: true },
    by: 'sin',
    master: 'sin',
  },
  renewForBackup: {
    endpoint: renewForBackup,
    input: { ...webInAsia, body: { publicKey: 'AAAA' } },
    answer: { chain: [pem] },
    by: 'sin',
  },
  leaveForBackup: {
    endpoint: leaveForBackup,
    input: { ...webInAsia, body: { identityKey: 'A'.repeat(43) } },
    answer: {},
    by: 'sin',
  },
  listOperators: {
    endpoint: listOperators,
    input: {},
    answer: { operators: [ada] },
    by: 'fra',
  },
  revokeOperator: {
    endpoint: revokeOperator,
    input: { params: { operator: 'ada' } },
    answer: { ...ada, revoked: { atMs: timeMs + 1, by: 'operator:berta' } },
    by: 'fra',
  },
  listVpnAudit: {
    endpoint: listVpnAudit,
    input: {},
    served: { query: { limit: 100 } },
    answer: { entries: [vpnAudit] },
    by: 'fra',
  },
  getPlacementPolicy: {
    endpoint: getPlacementPolicy,
    input: {},
    answer: {
      revision: 7,
      policy: { text: '# ours\n', changedAtMs: timeMs, changedBy: 'operator:ada' },
    },
    by: 'fra',
  },
  setPlacementPolicy: {
    endpoint: setPlacementPolicy,
    input: { query: { ifRevision: 7 }, body: { text: '# "ours"\n' } },
    answer: { revision: 8 },
    by: 'fra',
  },
  removePlacementPolicy: {
    endpoint: removePlacementPolicy,
    input: { query: { ifRevision: 8 } },
    answer: {},
    by: 'fra',
  },
  acknowledgeForBackup: {
    endpoint: acknowledgeForBackup,
    input: { ...inAsia, body: { members: [{ name: 'web-1', epoch: 2 }] } },
    answer: {},
    by: 'sin',
  },
};

for (const [name, { endpoint, input, served, answer, by, master }] of Object.entries(cases)) {
  test(`${name} reaches the responsible master whole, and so does its answer`, async () => {
    nextAnswer = answer;
    asked.length = 0;
    const definition: EndpointDefinition = endpoint;
    const call = input as CallInput<EndpointDefinition>;
    const options = master ? { master: master as MasterName } : {};
    const reply =
      definition.reply === 'stream'
        ? await Array.fromAsync(client.stream(definition, call, options))
        : await client.call(definition, call, options);
    assert.deepEqual(reply, answer ?? directory());
    if (definition.path === getDirectory.path) return;
    const [only, ...others] = asked;
    assert.equal(others.length, 0);
    assert.equal(only?.master, by);
    assert.equal(only?.request.endpoint, definition);
    for (const [part, value] of Object.entries(served ?? {})) {
      assert.deepEqual(only?.request[part as 'params'], value);
    }
  });
}

test('a request for another master goes through the one at hand, by its DNS name', async () => {
  nextAnswer = { invites: [] };
  const before = fra.relayed.length;
  await client.call(listInvites, inAsia);
  assert.deepEqual(fra.relayed.slice(before), ['sin.masters.corp.hanse.internal']);
});

test('a named master is asked itself', async () => {
  nextAnswer = { ...status, master: 'sin' };
  asked.length = 0;
  await client.call(getStatus, {}, { master: 'sin' as MasterName });
  assert.deepEqual(
    asked.map(({ master }) => master),
    ['sin'],
  );
});

test('a refusal keeps its code, message and whether to try again', async () => {
  nextAnswer = new Refusal(409, { code: 'not-active', message: 'it left', retryable: false });
  await assert.rejects(client.call(getMember, webInAsia), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual(
      [error.code, error.message, error.retryable, error.status],
      ['not-active', 'it left', false, 409],
    );
    return true;
  });
});

test('an answer that the endpoint does not define is refused', async () => {
  nextAnswer = { ...member, ipv4: '100.64.8.300' };
  await rejectsWith('bad-reply', client.call(getMember, webInAsia));
  nextAnswer = [{ type: 'unheard-of' }];
  await rejectsWith('bad-reply', Array.fromAsync(client.stream(watchEvents, {})));
});

test('input that the endpoint does not take is refused before anything is sent', async () => {
  asked.length = 0;
  await assert.rejects(client.call(getMember, { params: { subset: 'asia', name: '../x' } }), {
    code: 'invalid',
    message: /^name: use 1 to 32 lower-case letters/,
  });
  assert.equal(asked.length, 0);
});

test('an unknown subset is told with those that exist', async () => {
  await assert.rejects(client.call(listInvites, { params: { subset: 'mars' } }), {
    code: 'unknown-subset',
    message: 'there is no subset mars; the VPN has: europe, asia, lost',
  });
});

test('a master that the one at hand cannot reach is told as such, to be tried again', async () => {
  await assert.rejects(client.call(listInvites, { params: { subset: 'lost' } }), {
    code: 'unreachable',
    retryable: true,
    message: 'that master is out of reach',
  });
});

test('masters are tried in order until one answers', async () => {
  const masters = [knownMaster('gone', await closedPort()), knownMaster('sin', sin.port)];
  nextAnswer = { ...status, master: 'sin' };
  const other = createOperatorClient({ profile: await vpn.profile(masters) });
  assert.equal((await other.call(getStatus, {})).master, 'sin');
});

test('when none answers, every address and reason is told', async () => {
  const port = await closedPort();
  const masters = [knownMaster('fra', port), knownMaster('sin', port)];
  const other = createOperatorClient({ profile: await vpn.profile(masters) });
  await assert.rejects(other.call(getStatus, {}), (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.code, 'unreachable');
    assert.ok(error.retryable);
    assert.match(error.message, new RegExp(`fra at 127.0.0.1:${port} .*nothing listens there`));
    assert.match(error.message, new RegExp(`sin at 127.0.0.1:${port} .*nothing listens there`));
    return true;
  });
});

test('a master that shows another master’s certificate is refused', async () => {
  const masters = [knownMaster('fra', sin.port)];
  const other = createOperatorClient({ profile: await vpn.profile(masters) });
  await rejectsWith('untrusted-master', other.call(getStatus, {}));
});

test('a master of a VPN with another root is refused', async () => {
  const stranger = await TestVpn.create();
  const masters = [knownMaster('fra', fra.port)];
  const other = createOperatorClient({ profile: await stranger.profile(masters) });
  await rejectsWith('untrusted-master', other.call(getStatus, {}));
});

test('credentials that the master does not accept end in an error that says so', async () => {
  const stranger = await TestVpn.create();
  const masters = [knownMaster('fra', fra.port)];
  const { certificateChain, privateKey } = await stranger.profile(masters);
  const mixed = { ...(await vpn.profile(masters)), certificateChain, privateKey };
  const other = createOperatorClient({ profile: mixed });
  await rejectsWith('credentials-refused', other.call(getStatus, {}));
});

test('an aborted call rejects with the reason, not with a failure', async () => {
  const reason = new Error('enough');
  await assert.rejects(
    client.call(getStatus, {}, { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );
});

async function rejectsWith(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof ClientError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** A port where nothing listens: it was free a moment ago. */
async function closedPort(): Promise<number> {
  await using server = await startApiServer({
    credentials: await vpn.master('gone'),
    clientRoot: vpn.root.certificatePem,
    answer: () => ({}),
  });
  return server.port;
}
