import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findMarked, killMarkedByDeadRuns, markOfThisRun } from './marked-processes.mjs';
import { runTestFile } from './run-test-file.mjs';

let directory;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hanse-runner-'));
});
after(() => rm(directory, { recursive: true, force: true }));

async function run(name, body, timeoutMs = 20_000) {
  const path = join(directory, `${name}.mjs`);
  const imports = `import { describe, test } from 'node:test'; import { spawn } from 'node:child_process';`;
  await writeFile(path, `${imports}\n${body}`);
  const mark = `${await markOfThisRun()}.inner`;
  const outcome = await runTestFile({ path, timeoutMs, kind: 'plain' }, mark);
  assert.deepEqual(await findMarked(mark), [], 'nothing of it runs any more');
  return outcome;
}

test('each test is reported under the names of those around it', async () => {
  const { reports, problems } = await run(
    'names',
    `describe('suite', () => { test('one', () => {}); test('two', { skip: true }, () => {}); });
     test('outer', async (t) => { await t.test('inner', () => {}); });`,
  );
  assert.deepEqual(
    reports.map(({ name, outcome }) => [name, outcome]),
    [
      ['suite > one', 'passed'],
      ['suite > two', 'skipped'],
      ['outer > inner', 'passed'],
      ['outer', 'passed'],
    ],
  );
  assert.deepEqual(problems, []);
});

test('a failure comes with its error, and those around it without', async () => {
  const { reports, problems } = await run(
    'failure',
    `test('outer', async (t) => { await t.test('inner', () => { throw new Error('boom'); }); });`,
  );
  assert.deepEqual(
    reports.map(({ name, outcome, error }) => [name, outcome, error?.split('\n')[0]]),
    [
      ['outer > inner', 'failed', 'Error: boom'],
      ['outer', 'failed', undefined],
    ],
  );
  assert.deepEqual(problems, []);
});

test('a file that hangs is stopped with all that it has started', async () => {
  const { problems } = await run(
    'hang',
    `spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
     test('hangs', () => new Promise(() => setInterval(() => {}, 1_000)));`,
    1_000,
  );
  assert.deepEqual(problems, ['it was stopped after 1 s']);
});

test('a file that leaves a process running fails', async () => {
  const { reports, problems } = await run(
    'leak',
    `test('leaks', () => { spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' }).unref(); });`,
  );
  assert.equal(reports[0]?.outcome, 'passed');
  assert.match(problems.join(), /^it left running: \d+ \(sleep 1000\)$/);
});

test('a file that cannot be loaded, or has no test, fails', async () => {
  const broken = await run('broken', `import './nowhere.mjs';`);
  assert.deepEqual(broken.problems, ['it ended by exit code 1']);
  assert.match(broken.output, /Cannot find module/);
  assert.deepEqual((await run('empty', '')).problems, ['it has no tests']);
});

test('cleaning up after dead runs spares the living', async () => {
  await run(
    'spared',
    `import { once } from 'node:events';
     import { killMarkedByDeadRuns } from ${JSON.stringify(new URL('./marked-processes.mjs', import.meta.url).href)};
     test('spared', async () => {
       const child = spawn('sleep', ['1000']);
       await once(child, 'spawn');
       await killMarkedByDeadRuns();
       if (child.exitCode !== null || child.signalCode !== null) throw new Error('killed');
       child.kill();
     });`,
  ).then(({ reports }) => assert.equal(reports[0]?.outcome, 'passed'));
  await killMarkedByDeadRuns();
});
