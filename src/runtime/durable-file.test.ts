import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { readIfPresent, removeDrafts, removeDurably, writeDurably } from './durable-file.ts';

const writerPath = fileURLToPath(new URL('../../test/support/durable-writer.ts', import.meta.url));

test('a writer that is killed leaves the old or the new contents, never half of either', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'file');
  for (let round = 0; round < 8; round += 1) {
    const child = fork(writerPath, [path], { execArgv: [] });
    await once(child, 'message');
    // Chance decides where in a write it ends; the assertion holds wherever.
    await delay(Math.random() * 20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const contents = (await readIfPresent(path)) ?? '';
    assert.equal(contents.length, 200_000);
    assert.equal(contents, contents[0]?.repeat(200_000));
  }
});

test('a file is its owner’s alone, and so is the directory made for it', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'deep', 'file');
  await writeDurably(path, 'secret');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(directory.path, 'deep'))).mode & 0o777, 0o700);
  await writeDurably(path, 'more', 0o644);
  assert.equal((await stat(path)).mode & 0o777, 0o644);
  assert.deepEqual(await readdir(join(directory.path, 'deep')), ['file']);
});

test('a write that cannot be done leaves what was there, and nothing beside it', async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, 'file'), 'old');
  const notText = undefined as unknown as string;
  await assert.rejects(writeDurably(join(directory.path, 'file'), notText));
  assert.equal(await readIfPresent(join(directory.path, 'file')), 'old');
  assert.deepEqual(await readdir(directory.path), ['file']);
});

test('removing what is not there is no failure, and reading it is undefined', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'file');
  await writeDurably(path, 'text');
  await removeDurably(path);
  await removeDurably(path);
  await removeDurably(join(directory.path, 'nowhere', 'file'));
  assert.equal(await readIfPresent(path), undefined);
});

test('what a killed writer has left is removed, and nothing else', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'file');
  await writeDurably(join(directory.path, '.hidden'), 'ours');
  const isDraft = (name: string) => name.startsWith('.file.');
  for (let tries = 0; !(await readdir(directory.path)).some(isDraft); tries += 1) {
    assert.ok(tries < 200, 'no writer was killed within a write');
    const child = fork(writerPath, [path], { execArgv: [] });
    await once(child, 'message');
    await delay(Math.random() * 5);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await removeDrafts(directory.path);
  await removeDrafts(join(directory.path, 'nowhere'));
  assert.deepEqual((await readdir(directory.path)).sort(), ['.hidden', 'file']);
});
