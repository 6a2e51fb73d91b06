import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { MasterBed, operatorName } from '../../test/support/master-bed.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { changeKeying } from '../api/key-endpoints.ts';

let bed: MasterBed;
let elbe: RunningMaster;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
});
after(async () => {
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await policy('remove', '--force');
});

const text = '# ours\nhysteresis: { points: 7 }\n';

function policy(...line: readonly string[]): ReturnType<typeof runHanse> {
  return runHanse(['placement', 'policy', ...line], {
    env: { HANSE_DIR: bed.directory.path, HANSE_PROFILE: bed.directory.operator(operatorName) },
  });
}

async function fileOf(content: string): Promise<string> {
  const path = join(bed.directory.path, 'policy.yaml');
  await writeFile(path, content);
  return path;
}

/** @returns the revision */
async function set(content: string, ...options: readonly string[]): Promise<number> {
  const { out, err, exitCode } = await policy('set', await fileOf(content), '--json', ...options);
  assert.equal(exitCode, 0, err);
  return JSON.parse(out).revision;
}

test('a policy is stored with what it changes, and shown as it was written', async () => {
  const first = await policy('set', await fileOf(text));
  assert.equal(first.exitCode, 0, first.err);
  assert.match(
    first.err,
    /^KEY +WAS +IS\nhysteresis\.points +5 +7\nthe policy is stored: revision \d+\n$/,
  );
  assert.equal(elbe.master.directory.requirePlacementPolicy().hysteresis.points, 7);
  const shown = await policy('show');
  assert.equal(shown.out, text);
  assert.match(shown.err, /^hanse: revision \d+, by operator:ada, \d+ m?s ago\n$/);
  const document = JSON.parse((await policy('show', '--json')).out);
  assert.deepEqual([document.policy.text, document.policy.changedBy], [text, 'operator:ada']);
  const again = await policy('set', await fileOf(text));
  assert.match(again.err, /^the policy is stored already: revision \d+\n$/);
});

test('a policy that the operator has not seen is not replaced, unless by force', async () => {
  const revision = await set(text);
  const file = await fileOf('hysteresis: { points: 9 }\n');
  const blind = await policy('set', file);
  assert.equal(blind.exitCode, 1);
  assert.match(
    blind.err,
    new RegExp(
      `^stored: revision ${revision}, by operator:ada.*\\nKEY.*\\nhysteresis\\.points +7 +9\\n` +
        `hanse: there is another policy than you have seen .*then say --revision ${revision}, or --force`,
      's',
    ),
  );
  assert.equal((await policy('set', file, '--revision', String(revision + 1))).exitCode, 1);
  assert.equal((await policy('show')).out, text);
  const next = await set('hysteresis: { points: 9 }\n', '--revision', String(revision));
  assert.ok(next > revision);
  await set(text, '--force');
  assert.equal((await policy('show')).out, text);
});

test('a policy is removed by whoever has seen it; then the defaults are used', async () => {
  const revision = await set(text);
  assert.equal((await policy('remove')).exitCode, 1);
  const removed = await policy('remove', '--revision', String(revision));
  assert.match(removed.err, new RegExp(`^removed: revision ${revision}, by operator:ada`));
  const none = 'no placement policy is stored: the defaults are used\n';
  assert.equal((await policy('remove')).err, none);
  const shown = await policy('show');
  assert.deepEqual([shown.out, shown.err, shown.exitCode], ['', `hanse: ${none}`, 0]);
  const gone = await policy('set', await fileOf(text), '--revision', String(revision));
  assert.equal(gone.exitCode, 1);
  assert.match(gone.err, /another policy than you have seen .*: leave --revision out/);
});

test('a file that is no policy is refused with line and column, and nothing is stored', async () => {
  const file = await fileOf('movesPerMinute: 0\n');
  for (const command of ['set', 'check']) {
    const { exitCode, err } = await policy(command, file);
    assert.equal(exitCode, 2);
    assert.match(err, /policy\.yaml:1:17: movesPerMinute: expected 1 or more\n$/);
  }
  const large = await policy('check', await fileOf(`# ${'x'.repeat(128 * 1024)}`));
  assert.equal(large.exitCode, 2);
  assert.match(large.err, /policy\.yaml: expected 128 KiB at most/);
  assert.match((await policy('show')).err, /no placement policy is stored/);
  const good = await policy('check', await fileOf(text));
  assert.deepEqual([good.exitCode, good.out], [0, '']);
});

const audit = (limit: string) =>
  runHanse(['audit', '--limit', limit], {
    env: { HANSE_DIR: bed.directory.path, HANSE_PROFILE: bed.directory.operator(operatorName) },
  });

test('each change is in the audit log of the VPN', async () => {
  const revision = await set(text);
  await policy('remove', '--revision', String(revision));
  const { out, err } = await audit('2');
  assert.equal(err, '');
  const [heading, ...lines] = out.trimEnd().split('\n');
  assert.match(heading ?? '', /^TIME +CHANGE +SUBJECT +BY +MASTER$/);
  assert.deepEqual(
    lines.map((line) => line.split(/ +/).slice(1)).sort(),
    ['removed', 'set'].map((change) => [
      ...[`placement-policy-${change}`, 'sha256:23c7c4ce6e99'],
      ...['operator:ada', 'elbe'],
    ]),
  );
});

test('so is each change of the keying mode, by its name', async () => {
  const operator = await bed.operator();
  await operator.call(changeKeying, { body: { phase: 'changing' } });
  const { out } = await audit('1');
  const [, line] = out.trimEnd().split('\n');
  assert.deepEqual(line?.split(/ +/).slice(1), [
    ...['keying-changed', 'changing', 'operator:ada', 'elbe'],
  ]);
});
