import type { LiveEvent } from '../../api/status-endpoints.ts';

/** A listener that reads too slowly loses the oldest events beyond these. */
const maxQueued = 1_000;

/** What happens at this master, to whoever listens at the time. Nothing is kept for later. */
export class LiveEvents {
  readonly #listeners = new Set<(event: LiveEvent) => void>();

  publish(event: LiveEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** Events from now on, until the signal is aborted. */
  async *subscribe(signal: AbortSignal): AsyncGenerator<LiveEvent> {
    const queue: LiveEvent[] = [];
    let wake: () => void = () => undefined;
    const listener = (event: LiveEvent): void => {
      queue.push(event);
      if (queue.length > maxQueued) queue.shift();
      wake();
    };
    const onAbort = (): void => wake();
    this.#listeners.add(listener);
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        yield* queue.splice(0);
        if (queue.length > 0 || signal.aborted) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', onAbort);
    }
  }
}
