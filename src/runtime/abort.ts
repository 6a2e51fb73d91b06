/** Whether an error only says that somebody stopped waiting. Such an error is never logged as a failure. */
export function isAbort(error: unknown, signal?: AbortSignal): boolean {
  if (signal?.aborted && error === signal.reason) return true;
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

/** Runs a task that only its signal ends, and reports any other end. */
export function runUntilAborted(
  task: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<void> {
  return task(signal).catch((error: unknown) => {
    if (!signal.aborted && !isAbort(error, signal)) onFailure(error);
  });
}

/** Resolves once the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
