import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { Refusal, type ServedRequest } from '../../test/support/api-server.ts';
import { type OperatedMasters, startOperatedMasters } from '../../test/support/operated-masters.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { vpnView } from '../../test/support/test-vpn.ts';
import { getDirectory } from '../api/directory-endpoints.ts';
import { getKeyStatus } from '../api/key-endpoints.ts';
import type { KeyingPhase } from '../model/records/directory.ts';

/*
 * An eviction where all subsets have one key: members of the others hold tunnels to the evicted one too.
 */

const actingFor: Readonly<Record<string, string>> = { europe: 'fra', asia: 'sin' };
const nowMs = Date.now();
const epoch = 3;

let operated: OperatedMasters;
/** Of asia's answers about its key, one after the other; the last one stays. */
let answers: unknown[];
let keying: KeyingPhase;

before(async () => {
  operated = await startOperatedMasters({ names: Object.values(actingFor), answer: serve });
});
after(() => operated[Symbol.asyncDispose]());
beforeEach(() => {
  answers = [key('asia')];
  keying = 'shared';
});

function serve(_master: string, { endpoint, params }: ServedRequest): unknown {
  if (endpoint.path === getDirectory.path) return directory();
  const { subset = '' } = params as { readonly subset?: string };
  if (endpoint.path === getKeyStatus.path) {
    return subset === 'europe' ? key(subset) : answers.length > 1 ? answers.shift() : answers[0];
  }
  return endpoint.reply === 'stream' ? [removed, finished] : member;
}

const directory = () => ({
  vpn: { ...vpnView(nowMs), keying },
  masters: operated.masters,
  subsets: Object.entries(actingFor).map(([name, acting]) => {
    return { name, home: acting, acting, backups: [], blocks: [] };
  }),
});
const key = (subset: string, changes: object = {}) => ({
  ...{ subset, master: actingFor[subset], epoch, shared: true, members: 4, pending: [] },
  ...{ createdAtMs: nowMs, rotatesAtMs: nowMs + 86_400_000 },
  ...changes,
});
const member = {
  ...{ name: 'web-1', subset: 'europe', state: 'active', identityKey: 'A'.repeat(43) },
  ...{ ipv4: '100.64.8.2', ipv6: 'fd00:1:2:2::2', alsoIn: [], acting: 'fra', backups: [] },
  keys: { acting: 'qGdpIVF4hEaGFCqCNB2pkwvuBb0yK5sXkPEwVjCxLlE=' },
  ...{ joinedAtMs: nowMs, certificateEndsAtMs: nowMs, order: ['fra'] },
};
const removed = {
  ...{ type: 'removed', member: 'web-1', tunnelIsDown: true, alsoIn: [] },
  ...{ revision: 7, epoch, afterMs: 4, members: 2, connected: 0 },
};
const finished = { type: 'finished', acknowledged: 0, pending: [], pendingTotal: 0, afterMs: 5 };
const late = { member: 'phone', connected: true };
const away = { member: 'tablet', connected: false };

const evict = (...args: readonly string[]) =>
  runHanse(['member', 'evict', 'web-1.europe', ...args], { env: operated.env });

test('members that are away when their master comes to act have a moment to return', async () => {
  answers = [
    key('asia', { pending: [away] }),
    key('asia', { pending: [{ ...away, connected: true }] }),
  ];
  const { exitCode, out } = await evict('--wait', '1s');
  assert.equal(exitCode, 1);
  assert.match(out, /\n {2}asia: not confirmed yet: tablet\n$/);
});

test('it is the same while a VPN changes its keying, and not with a key for each subset', async () => {
  answers = [key('asia', { epoch: epoch - 1 })];
  keying = 'changing';
  const { exitCode, out } = await evict('--wait', '0s');
  assert.equal(exitCode, 1);
  assert.match(out, /\n {2}asia is at epoch 2 yet, not at 3\n$/);
  keying = 'per-subset';
  assert.equal((await evict('--wait', '0s')).exitCode, 0);
});

test('it is over when those of the other subsets who are connected have the key that was made for it', async () => {
  answers = [
    key('asia', { epoch: epoch - 1 }),
    key('asia', { shared: false }),
    key('asia', { pending: [late, away] }),
    key('asia', { pending: [away] }),
  ];
  const { exitCode, out, err } = await evict();
  assert.equal(exitCode, 0, err);
  assert.match(out, /\napplied in all other subsets\n$/);
  assert.equal(answers.length, 1);
});

test('it fails when the time is over before, and says who is missing', async () => {
  answers = [key('asia', { pending: [late, away] })];
  const { exitCode, out } = await evict('--wait', '300ms');
  assert.equal(exitCode, 1);
  assert.match(
    out,
    /\nNOT yet applied in all other subsets\n {2}asia: not confirmed yet: phone\n$/,
  );
});

test('a program is told the same, also of a subset that gives no answer', async () => {
  answers = [new Refusal(503, { code: 'unavailable', message: 'starting', retryable: true })];
  const { exitCode, out } = await evict('--wait', '0s', '--json');
  assert.equal(exitCode, 1);
  const last = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '');
  const lacking = ['asia: no answer: starting'];
  assert.deepEqual(last, { type: 'elsewhere', applied: false, lacking });
});
