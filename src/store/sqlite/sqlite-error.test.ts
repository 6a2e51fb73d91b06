import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../store-error.ts';
import { isBusy, toStoreError } from './sqlite-error.ts';

function sqliteError(errcode: number): Error {
  return Object.assign(new Error('what SQLite says'), { code: 'ERR_SQLITE_ERROR', errcode });
}

const cases: readonly [errcode: number, code: StoreError['code'], message: RegExp][] = [
  [5, 'unavailable', /locked/],
  [261, 'unavailable', /locked/], // SQLITE_BUSY_RECOVERY
  [15, 'unavailable', /too busy/],
  [8, 'unavailable', /may not write/],
  [10, 'unavailable', /failed/],
  [13, 'unavailable', /disk is full/],
  [14, 'unavailable', /cannot be opened/],
  [11, 'corrupt', /damaged/],
  [26, 'corrupt', /not a store/],
];

test('what SQLite raises becomes an error of the store that names the file and keeps the cause', () => {
  for (const [errcode, code, message] of cases) {
    const cause = sqliteError(errcode);
    const error = toStoreError(cause, 'get', '/some/store.db');
    assert.ok(error instanceof StoreError);
    assert.equal(error.code, code);
    assert.equal(error.retryable, code === 'unavailable');
    assert.match(error.message, message);
    assert.match(error.message, /\/some\/store\.db/);
    assert.equal(error.cause, cause);
  }
});

test('other errors stay what they are', () => {
  const error = new Error('something else');
  assert.equal(toStoreError(error, 'get', '/some/store.db'), error);
  assert.equal(isBusy(error), false);
  assert.equal(isBusy(undefined), false);
});

test('busy is told from all else, however SQLite says it', () => {
  assert.deepEqual([5, 6, 15, 261, 517, 10, 13].map(sqliteError).map(isBusy), [
    true,
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
});
