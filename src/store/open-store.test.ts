import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { InvalidInputError } from '../model/error.ts';
import { openStore } from './open-store.ts';
import { StoreError } from './store-error.ts';

test('sqlite: opens the file at the path, and reports what it does', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hanse store %20 '));
  try {
    const observed: string[] = [];
    const observe = (operation: string, seconds: number) => {
      assert.ok(seconds >= 0);
      observed.push(operation);
    };
    await using store = await openStore(`sqlite:${directory}/store.db`, { observe });
    await store.transact({ if: [], then: [{ put: 'key', value: Buffer.from('value') }] });
    await store.get('key');
    assert.deepEqual(observed, ['commit', 'transact', 'get']);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('what names no store is refused with what would be right', async () => {
  const wrong = [
    '',
    'store.db',
    '/var/lib/store.db',
    'redis://host',
    'sqlite:',
    'sqlite://host/path',
  ];
  for (const url of [...wrong, 'SQLITE:/path', 'sqlite:/directory/', 'sqlite:/a\0b'])
    await assert.rejects(openStore(url), (error) => {
      assert.ok(error instanceof InvalidInputError);
      assert.match(error.message, /sqlite:PATH/);
      return true;
    });
});

test('etcd: a cluster that nobody can reach is named with what became of each member', async () => {
  await assert.rejects(openStore('etcd://127.0.0.1:1,127.0.0.1:2/test'), (error) => {
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, 'unavailable');
    assert.match(error.message, /127\.0\.0\.1:1: .*ECONNREFUSED/);
    assert.match(error.message, /127\.0\.0\.1:2: .*ECONNREFUSED/);
    return true;
  });
});
