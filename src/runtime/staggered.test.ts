import assert from 'node:assert/strict';
import { test } from 'node:test';
import { staggered } from './staggered.ts';

/** Attempts that end when the test says so. */
class Attempts {
  readonly started: string[] = [];
  readonly aborted: string[] = [];
  readonly discarded: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<string>>();

  end(item: string): PromiseWithResolvers<string> {
    const end = this.#ends.get(item) ?? Promise.withResolvers<string>();
    this.#ends.set(item, end);
    return end;
  }

  run(items: readonly string[], headStartMs: number, signal?: AbortSignal) {
    const attempt = (item: string, stop: AbortSignal): Promise<string> => {
      this.started.push(item);
      stop.addEventListener('abort', () => {
        this.aborted.push(item);
      });
      return this.end(item).promise;
    };
    const discard = (value: string) => this.discarded.push(value);
    return staggered(items, attempt, { headStartMs, discard, ...(signal ? { signal } : {}) });
  }
}

const neverMs = 3_600_000;

test('as long as the first choice answers in time, nobody else is tried', async () => {
  const attempts = new Attempts();
  attempts.end('fra').resolve('from fra');
  for await (const { item, result } of attempts.run(['fra', 'ams'], neverMs)) {
    assert.equal(item, 'fra');
    assert.deepEqual(result, { status: 'fulfilled', value: 'from fra' });
    break;
  }
  assert.deepEqual(attempts.started, ['fra']);
});

test('a failure is told, and the next begins at once', async () => {
  const attempts = new Attempts();
  attempts.end('fra').reject(new Error('refused'));
  attempts.end('ams').resolve('from ams');
  const seen: string[] = [];
  for await (const { item, result } of attempts.run(['fra', 'ams'], neverMs)) {
    seen.push(`${item} ${result.status}`);
  }
  assert.deepEqual(seen, ['fra rejected', 'ams fulfilled']);
});

test('a silent first choice is passed by, and aborted when the second was enough', async () => {
  const attempts = new Attempts();
  attempts.end('ams').resolve('from ams');
  for await (const { item } of attempts.run(['fra', 'ams'], 1)) {
    assert.equal(item, 'ams');
    break;
  }
  assert.deepEqual(attempts.started, ['fra', 'ams']);
  assert.ok(attempts.aborted.includes('fra'));
  attempts.end('fra').resolve('from fra, too late');
  await attempts.end('fra').promise;
  await new Promise(setImmediate);
  assert.deepEqual(attempts.discarded, ['from fra, too late']);
});

test('a slow first choice keeps its chance when the second was not enough', async () => {
  const attempts = new Attempts();
  attempts.end('ams').resolve('not I');
  const seen: string[] = [];
  for await (const { item } of attempts.run(['fra', 'ams'], 1)) {
    seen.push(item);
    attempts.end('fra').resolve('from fra, late');
  }
  assert.deepEqual(seen, ['ams', 'fra']);
  assert.deepEqual(attempts.started, ['fra', 'ams']);
});

test('the caller’s signal ends it with its reason', async () => {
  const attempts = new Attempts();
  const stop = new AbortController();
  const running = attempts.run(['fra'], neverMs, stop.signal);
  const next = running.next();
  const reason = new Error('enough');
  stop.abort(reason);
  attempts.end('fra').reject(reason);
  await assert.rejects(next, reason);
});

test('without items it is over at once', async () => {
  assert.deepEqual(await new Attempts().run([], neverMs).next(), { done: true, value: undefined });
});
