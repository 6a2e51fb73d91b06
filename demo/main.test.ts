import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../test/support/until.ts';

const run = promisify(execFile);
const repository = fileURLToPath(new URL('..', import.meta.url));
/** All that is shown before takes half a minute; the machine may be busy. */
const slowMs = 120_000;
/** Long enough for Node to end, were there nothing to wait for. */
const stayMs = 2_000;

test('the demo stays until it is interrupted, so that one can look round, and leaves nothing behind', async () => {
  const demo = spawn(process.execPath, ['demo/main.ts'], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(demo, 'exit');
  let output = '';
  demo.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const hasEnded = () => demo.exitCode !== null || demo.signalCode !== null;
  await until(
    'it says that it stays',
    () => hasEnded() || output.includes('files and logs'),
    slowMs,
  );
  await delay(stayMs);
  assert.ok(!hasEnded(), output);

  const [command = ''] = /HANSE_DIR=.* status$/m.exec(output) ?? [];
  const [, lab = ''] = /files and logs: (\S+)/.exec(output) ?? [];
  const { stdout } = await run('sh', ['-c', command], { cwd: repository });
  for (const master of ['lubeck', 'bergen', 'bruges']) assert.match(stdout, new RegExp(master));

  // As when its terminal is closed: nobody reads any more.
  demo.stdout.destroy();
  demo.kill('SIGHUP');
  assert.deepEqual(await exit, [0, null], output);
  const { stdout: namespaces } = await run('ip', ['netns', 'list']);
  assert.ok(!namespaces.includes(lab.split('/').at(-1) ?? 'nothing'), namespaces);
});
