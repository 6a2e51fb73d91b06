import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockDirectory } from './directory-lock.ts';

async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'hanse-lock-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

test('a directory is locked once and can be locked again after it was let go', async () => {
  await using directory = await temporaryDirectory();
  const first = await lockDirectory(directory.path);
  await assert.rejects(lockDirectory(directory.path), { code: 'directory-busy' });
  first[Symbol.dispose]();
  (await lockDirectory(directory.path))[Symbol.dispose]();
});

test('a daemon that was killed leaves no lock behind', async () => {
  await using directory = await temporaryDirectory();
  const module = new URL('./directory-lock.ts', import.meta.url).href;
  const holder = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { lockDirectory } = await import(${JSON.stringify(module)});
       globalThis.held = await lockDirectory(${JSON.stringify(directory.path)});
       process.stdout.write('held');
       setInterval(() => globalThis.held, 1_000);`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout, 'data');
  await assert.rejects(lockDirectory(directory.path), { code: 'directory-busy' });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  (await lockDirectory(directory.path))[Symbol.dispose]();
});
