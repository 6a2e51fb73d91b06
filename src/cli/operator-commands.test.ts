import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Refusal, type ServedRequest } from '../../test/support/api-server.ts';
import { type OperatedMasters, startOperatedMasters } from '../../test/support/operated-masters.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { vpnView } from '../../test/support/test-vpn.ts';
import { confirmMembers } from '../api/member-endpoints.ts';

const masters = ['fra', 'sin', 'nyc'] as const;
const actingFor: Readonly<Record<string, string>> = { europe: 'fra', asia: 'sin', america: 'nyc' };
const timeMs = 1_795_000_000_000;
/** Which master was asked what, as `MASTER METHOD PATH`, since the test began. */
const asked: string[] = [];
let answer: (request: ServedRequest, subset: string, name: string) => unknown;
let operated: OperatedMasters;

before(async () => {
  operated = await startOperatedMasters({
    names: masters,
    answer: serve,
    inProfile: (known) => known.slice(0, 1),
  });
});
after(() => operated[Symbol.asyncDispose]());

const known = () => operated.masters;

function serve(master: string, request: ServedRequest): unknown {
  if (request.endpoint.path === '/v1/directory') return directory();
  asked.push(`${master} ${request.endpoint.method} ${request.endpoint.path}`);
  const { subset = '', name = '' } = request.params as { subset?: string; name?: string };
  return answer(request, subset, name);
}

const directory = () => ({
  vpn: vpnView(timeMs),
  masters: known(),
  subsets: Object.entries(actingFor).map(([name, acting]) => ({
    name,
    home: acting,
    acting,
    backups: [],
    blocks: [],
  })),
});

const identity = (letter: string) => letter.repeat(43);
const member = (name: string, subset: string, identityKey: string, state = 'active') => ({
  name,
  subset,
  state,
  ipv4: '100.64.8.2',
  ipv6: 'fd00:1:2:2::2',
  identityKey,
  keys: { acting: 'qGdpIVF4hEaGFCqCNB2pkwvuBb0yK5sXkPEwVjCxLlE=' },
  joinedAtMs: timeMs,
  certificateEndsAtMs: timeMs,
  alsoIn: [],
  acting: actingFor[subset],
  backups: [],
  order: [actingFor[subset]],
});
const removed = (name: string, alsoIn: readonly string[] = []) => ({
  type: 'removed',
  tunnelIsDown: true,
  member: name,
  revision: 7,
  epoch: 3,
  afterMs: 4.2,
  members: 2,
  connected: 1,
  alsoIn,
});
const applied = { type: 'acknowledged', member: 'web-2', afterMs: 31 };
const finished = (acknowledged: number, pending: readonly object[]) => ({
  type: 'finished',
  acknowledged,
  pending,
  pendingTotal: pending.length,
  afterMs: 31,
});
const away = { member: 'web-3', connected: false };

async function hanse(...args: readonly string[]) {
  asked.length = 0;
  return runHanse(args, { env: operated.env });
}

test('an invite prints the token alone, so that it can be piped', async () => {
  const id = '0b0d9b5e-6d0c-4c3b-9d5a-5f3d0c2f1e11';
  answer = ({ body }) => {
    assert.deepEqual(body, { uses: 2, lifetimeMs: 3_600_000 });
    return { id, token: 'hanse_abc', expiresAtMs: timeMs, uses: 2 };
  };
  const run = await hanse('invite', 'create', '--subset', 'asia', '--uses', '2', '--expires', '1h');
  assert.deepEqual(run, {
    exitCode: 0,
    out: 'hanse_abc\n',
    err: `invite ${id} lets 2 members into asia and ends in 1 h\n`,
  });
  assert.deepEqual(asked, ['sin POST /v1/subsets/:subset/invites']);
});

const problem = (code: string, message: string, retryable = false) => ({
  code,
  message,
  retryable,
});

/** What each subset was asked to make, in the order in which it was asked. */
function placedParts() {
  const made: { readonly subset: string; readonly body: Record<string, unknown> }[] = [];
  answer = ({ endpoint, body }, subset) => {
    if (endpoint.method === 'GET') return { invites: [] };
    const part = body as Record<string, unknown>;
    made.push({ subset, body: part });
    const { id, uses, home } = part;
    return { id, uses, expiresAtMs: timeMs, ...(home === subset ? { token: 'hanse_abc' } : {}) };
  };
  return made;
}

test('without a subset the same invite is made in all of them, at home last', async () => {
  const made = placedParts();
  const run = await hanse('invite', 'create', '--uses', '2', '--expires', '1h', '--name', 'web-1');
  assert.equal(run.exitCode, 0, run.err);
  assert.equal(run.out, 'hanse_abc\n');
  assert.match(run.err, /lets web-1 into the best of america, asia, europe; america places them/);
  assert.deepEqual(made.map(({ subset }) => subset).toSorted(), ['america', 'asia', 'europe']);
  assert.equal(made.at(-1)?.subset, 'america');
  const [{ id } = {}] = made.map(({ body }) => body);
  const common = { id, uses: 2, lifetimeMs: 3_600_000, memberName: 'web-1', home: 'america' };
  for (const { body } of made) {
    assert.deepEqual(body, { ...common, candidates: ['america', 'asia', 'europe'] });
  }
});

test('an invite leads to the subsets that are named, and its home need not be one of them', async () => {
  const made = placedParts();
  const subsets = ['--subset', 'europe', '--subset', 'asia', '--home', 'america'];
  const run = await hanse('invite', 'create', ...subsets);
  assert.equal(run.exitCode, 0, run.err);
  assert.deepEqual(made.at(-1)?.subset, 'america');
  assert.deepEqual(made.at(-1)?.body['candidates'], ['asia', 'europe']);
});

test('a subset whose master is away or too old is left out, and named', async () => {
  const made = placedParts();
  const served = answer;
  answer = (request, subset, name) => {
    if (subset === 'america') {
      return new Refusal(503, problem('unavailable', 'the store of america is away', true));
    }
    const isOld = subset === 'asia' && request.endpoint.method === 'POST';
    if (isOld) return new Refusal(404, problem('no-such-endpoint', 'there is no such endpoint'));
    return served(request, subset, name);
  };
  const run = await hanse('invite', 'create', '--home', 'europe');
  assert.equal(run.exitCode, 0, run.err);
  assert.match(run.err, /does not lead to america: .*the store of america is away/);
  assert.match(
    run.err,
    /does not lead to asia: its master runs a version of Hanse that places nobody/,
  );
  assert.deepEqual(
    made.map(({ body }) => body['candidates']),
    [['europe']],
  );
});

/** Its master knows how to list invites, and not how to make one for several subsets. */
function oldMasterIn(old: string) {
  const made = placedParts();
  const revoked: string[] = [];
  const served = answer;
  answer = (request, subset, name) => {
    if (request.endpoint.method === 'DELETE') {
      revoked.push(subset);
      return {};
    }
    if (subset !== old || request.endpoint.method === 'GET') {
      return served(request, subset, name);
    }
    return new Refusal(404, problem('no-such-endpoint', 'there is no such endpoint'));
  };
  return { made, revoked };
}

test('where the first master by name is too old to be the home, it is the next one', async () => {
  const { made, revoked } = oldMasterIn('america');
  const run = await hanse('invite', 'create');
  assert.equal(run.exitCode, 0, run.err);
  assert.equal(run.out, 'hanse_abc\n');
  assert.match(run.err, /lead to america: its master runs a version of Hanse that places nobody/);
  assert.match(run.err, /into the best of asia, europe; asia places them/);
  const [first, ...others] = made.toReversed();
  assert.deepEqual([first?.subset, first?.body['candidates']], ['asia', ['asia', 'europe']]);
  assert.deepEqual(revoked.toSorted(), ['asia', 'europe']);
  const ids = others.map(({ body }) => body['id'] === first?.body['id']);
  assert.deepEqual(ids, [true, false, false], 'what was made for another home is another invite');
});

test('a home that was named and cannot be it is an error that says so, and leaves nothing', async () => {
  const { made, revoked } = oldMasterIn('america');
  const run = await hanse('invite', 'create', '--home', 'america');
  assert.equal(run.exitCode, 4);
  assert.match(
    run.err,
    /america cannot be the home subset of the invite: its master runs a version/,
  );
  assert.deepEqual(revoked.toSorted(), made.map(({ subset }) => subset).toSorted());
  const alone = await hanse('invite', 'create', '--home', 'asia', '--subset', 'america');
  assert.equal(alone.exitCode, 4);
  assert.match(alone.err, /no subset can be invited to; america: its master runs a version/);
});

const invitesBySubset: Readonly<Record<string, readonly object[]>> = {
  asia: [inviteView({ placedBy: 'europe', used: 0 })],
  europe: [inviteView({ placedBy: 'europe', used: 1, candidates: ['asia', 'europe'] })],
  america: [inviteView({ id: '0b0d9b5e-6d0c-4c3b-9d5a-5f3d0c2f1e12', used: 0 })],
};

function inviteView(change: object): object {
  const id = '0b0d9b5e-6d0c-4c3b-9d5a-5f3d0c2f1e11';
  return { id, uses: 2, expiresAtMs: timeMs, createdBy: 'ada', ...change };
}

test('the list shows an invite that placement decides once, as its home has it', async () => {
  answer = (_request, subset) => ({ invites: invitesBySubset[subset] });
  const { exitCode, out } = await hanse('invite', 'list');
  assert.equal(exitCode, 0);
  const [, ...lines] = out.trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => line.split(/ {2,}/).slice(1, 3)),
    [
      ['best of asia, europe', '1 of 2'],
      ['america', '0 of 2'],
    ],
  );
});

test('revoking an invite finds all of its subsets, and begins at home', async () => {
  const revoked: string[] = [];
  answer = ({ endpoint }, subset) => {
    if (endpoint.method === 'GET') return { invites: invitesBySubset[subset] };
    revoked.push(subset);
    return {};
  };
  const id = '0b0d9b5e-6d0c-4c3b-9d5a-5f3d0c2f1e11';
  const run = await hanse('invite', 'revoke', id);
  assert.deepEqual([run.exitCode, run.err], [0, `invite ${id} is revoked in europe, asia\n`]);
  assert.deepEqual(revoked, ['europe', 'asia']);
  const unknown = await hanse('invite', 'revoke', '0b0d9b5e-6d0c-4c3b-9d5a-5f3d0c2f1e13');
  assert.equal(unknown.exitCode, 1);
  assert.match(unknown.err, /no subset that answers has an invite/);
});

test('the profile learns all masters, and keeps the order of those it knew', async () => {
  answer = () => ({ invites: [] });
  assert.equal((await hanse('invite', 'list', '--subset', 'asia')).exitCode, 0);
  const document = JSON.parse(await readFile(join(operated.profile, 'profile.json'), 'utf8'));
  assert.deepEqual(document.masters, known());
});

test('an eviction tells who has applied it, and succeeds when all who are connected have', async () => {
  answer = ({ endpoint }) =>
    endpoint.reply === 'stream'
      ? [removed('web-1', ['asia']), applied, finished(1, [away])]
      : member('web-1', 'europe', identity('A'));
  const { exitCode, out, err } = await hanse('member', 'evict', 'web-1.europe');
  assert.equal(exitCode, 0, err);
  assert.equal(
    out,
    [
      'web-1.europe is evicted by fra after 4 ms; europe is at epoch 3 and has 2 other members, 1 of them connected',
      'it stays in asia',
      '  web-2 has applied it after 31 ms',
      'applied by every connected member: 1 in 31 ms',
      '  not connected, will when they come back: web-3',
      '',
    ].join('\n'),
  );
  assert.ok(asked.every((line) => line.startsWith('fra ')));
});

test('an eviction that a connected member has not applied in time exits with 1', async () => {
  const late = { member: 'web-2', connected: true };
  answer = ({ endpoint }) =>
    endpoint.reply === 'stream'
      ? [removed('web-1'), finished(0, [late, away])]
      : member('web-1', 'europe', identity('A'));
  const { exitCode, out } = await hanse('member', 'evict', 'web-1.europe', '--wait', '0s');
  assert.equal(exitCode, 1);
  assert.match(out, /NOT yet applied.*\n.*still to do it: web-2\n/);
});

test('a stream that breaks off before its end is no success', async () => {
  answer = ({ endpoint }) =>
    endpoint.reply === 'stream' ? [removed('web-1')] : member('web-1', 'europe', identity('A'));
  const { exitCode, err } = await hanse('member', 'evict', 'web-1.europe');
  assert.equal(exitCode, 1);
  assert.match(err, /stopped telling about web-1\.europe/);
});

test('a ban follows the identity to the masters of its other subsets and asks no others', async () => {
  answer = ({ endpoint, body }, subset, name) => {
    if (endpoint.path.endsWith('/members')) {
      const bearer = member('other-name', 'asia', identity('A'));
      return { members: [member('web-1', 'asia', identity('B')), bearer], total: 2 };
    }
    if (endpoint.reply !== 'stream') return member('web-1', subset, identity('A'));
    assert.deepEqual(body, { kind: 'ban', waitMs: 10_000 });
    return [removed(name, subset === 'europe' ? ['asia'] : ['europe']), applied, finished(1, [])];
  };
  const { exitCode, out, err } = await hanse('member', 'ban', 'web-1.europe');
  assert.equal(exitCode, 0, err);
  assert.match(out, /web-1\.europe is banned by fra/);
  assert.match(out, /other-name\.asia is banned by sin/);
  assert.deepEqual(asked, [
    'fra GET /v1/subsets/:subset/members/:name',
    'fra POST /v1/subsets/:subset/members/:name/removal',
    'sin GET /v1/subsets/:subset/members',
    'sin POST /v1/subsets/:subset/members/:name/removal',
  ]);
});

test('a ban that one subset refuses goes on with the others and exits with 1', async () => {
  answer = ({ endpoint }, subset, name) => {
    if (subset === 'asia') {
      return new Refusal(503, {
        code: 'unavailable',
        message: 'the store is away',
        retryable: true,
      });
    }
    if (endpoint.path.endsWith('/members')) {
      return { members: [member('web-1', subset, identity('A'))], total: 1 };
    }
    return endpoint.reply === 'stream'
      ? [removed(name, ['asia', 'america']), finished(1, [])]
      : member('web-1', subset, identity('A'));
  };
  const { exitCode, out, err } = await hanse('member', 'ban', 'web-1.europe');
  assert.equal(exitCode, 1);
  assert.match(err, /web-1 is NOT banned from asia: the store is away/);
  assert.match(out, /web-1\.america is banned by nyc/);
});

test('members are confirmed by name or all at once, and never by mistake', async () => {
  answer = ({ endpoint: { method, path } }, subset, name) => {
    if (method === 'GET') return member(name, subset, identity('A'));
    return path === confirmMembers.path ? { members: ['a', 'b'] } : {};
  };
  const named = await hanse('member', 'confirm', 'web-1.asia');
  assert.deepEqual([named.exitCode, named.out], [0, 'web-1.asia is confirmed\n']);
  assert.ok(asked.includes('sin POST /v1/subsets/:subset/members/:name/confirmation'));
  const all = await hanse('member', 'confirm', '--all', '--subset', 'asia', '--json');
  assert.deepEqual(JSON.parse(all.out), { confirmed: ['a.asia', 'b.asia'] });
  const everywhere = await hanse('member', 'confirm', '--all');
  assert.equal(everywhere.out.split('\n').length, 1 + 2 * masters.length);
  for (const unclear of [[], ['web-1.asia', '--all'], ['web-1.asia', '--subset', 'asia']]) {
    assert.equal((await hanse('member', 'confirm', ...unclear)).exitCode, 2, unclear.join(' '));
  }
});

test('a name alone is looked for in every subset', async () => {
  const unknown = { code: 'no-such-member', message: 'no such member', retryable: false };
  answer = (_, subset) =>
    subset === 'asia' ? member('web-1', 'asia', identity('A')) : new Refusal(404, unknown);
  const found = await hanse('member', 'show', 'web-1', '--json');
  assert.equal(JSON.parse(found.out).subset, 'asia');
  answer = (_, subset) => member('web-1', subset, identity('A'));
  const several = await hanse('member', 'show', 'web-1');
  assert.equal(several.exitCode, 1);
  assert.match(several.err, /say which of web-1\.europe, web-1\.asia, web-1\.america/);
});

test('a roll is listed page by page, and as one document for programs', async () => {
  answer = ({ query }) =>
    (query as { after?: string }).after === 'a'
      ? { members: [member('b', 'asia', identity('B'))], total: 2 }
      : { members: [member('a', 'asia', identity('A'))], next: 'a', total: 2 };
  const { out } = await hanse('member', 'list', '--subset', 'asia');
  assert.match(out, /^MEMBER +STATE +IPV4 [^\n]+\na\.asia +active +100\.64\.8\.2 [^\n]+\nb\.asia /);
  const json = await hanse('member', 'list', '--subset', 'asia', '--json');
  assert.deepEqual(
    JSON.parse(json.out).members.map(({ name }: { name: string }) => name),
    ['a', 'b'],
  );
});

test('a master that says no is heard in its own words, with the status for a refusal', async () => {
  const problem = { code: 'not-permitted', message: 'ada may not do that', retryable: false };
  answer = () => new Refusal(403, problem);
  const { exitCode, err } = await hanse('audit', '--subset', 'europe');
  assert.equal(exitCode, 3);
  assert.equal(err, 'hanse: ada may not do that\n');
});

test('a watch shows what concerns the subset until it is interrupted, which is its good end', async () => {
  const session = (subset: string) => ({
    type: 'session',
    atMs: timeMs,
    subset,
    member: 'web-1',
    change: 'connected',
  });
  answer = () => [session('europe'), session('asia')];
  const { exitCode, out, err } = await runHanse(['watch', '--subset', 'asia'], {
    env: operated.env,
    interruptAfter: /\n/,
  });
  assert.equal(exitCode, 0, err);
  const [first] = out.split('\n');
  assert.equal(first, '2026-11-18T11:06:40Z  sin  web-1.asia connected');
  assert.doesNotMatch(out, /europe/);
});

test('the status shows every master, and says which give no answer', async () => {
  answer = () => new Refusal(503, { code: 'unavailable', message: 'starting', retryable: true });
  const { exitCode, out } = await hanse('status');
  assert.equal(exitCode, 4);
  assert.match(out, /^master fra: no answer: starting\n/);
  assert.match(out, /master nyc: no answer: starting\n/);
});

test('operators are listed with what became of them, and one is revoked by its name', async () => {
  const operator = (name: string, changes: object = {}) => ({
    name,
    identityKey: 'A'.repeat(43),
    createdAtMs: timeMs,
    certificateEndsAtMs: Date.now() + 86_400_000 * 30 + 60_000,
    ...changes,
  });
  const berta = operator('berta', { revoked: { atMs: timeMs, by: 'operator:ada' } });
  answer = ({ endpoint }) =>
    endpoint.method === 'GET'
      ? { operators: [operator('ada'), berta, operator('carl', { certificateEndsAtMs: timeMs })] }
      : berta;
  const list = await hanse('operator', 'list');
  assert.equal(list.exitCode, 0);
  assert.match(list.out, /^ada .* in 30 d +active$/m);
  assert.match(list.out, /^berta .* revoked .* by operator:ada$/m);
  assert.match(list.out, /^carl .* expired$/m);
  const revocation = await hanse('operator', 'revoke', 'berta');
  assert.deepEqual([revocation.exitCode, revocation.out], [0, '']);
  assert.match(revocation.err, /^operator berta is revoked: no master takes its certificate/);
  assert.deepEqual(asked, ['fra POST /v1/operators/:operator/revocation']);
  const document = await hanse('operator', 'revoke', 'berta', '--json');
  assert.deepEqual(JSON.parse(document.out), berta);
  assert.equal((await hanse('operator', 'revoke', 'Not-A-Name')).exitCode, 2);
});
