import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

/** Far above what anything here takes on a busy machine: reaching it is a failure, not slowness. */
export const deadlineMs = 60_000;

/** Waits for the condition; fails with the description when it does not come true. */
export async function eventually(
  description: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    assert.ok(performance.now() < endMs, `still not true after ${deadlineMs} ms: ${description}`);
    await delay(5);
  }
}

/** The promise's result, or a failure with the description when it does not come. */
export async function within<T>(description: string, promise: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = delay(deadlineMs, undefined, { signal: timer.signal }).then(() =>
    assert.fail(`no answer after ${deadlineMs} ms: ${description}`),
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
    await late.catch(() => undefined);
  }
}
