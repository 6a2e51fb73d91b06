import { systemClock } from './clock.ts';

export interface StaggerOptions<T> {
  /** How long an attempt is alone before the next one is started beside it. */
  readonly headStartMs: number;
  /** For a result that came when nobody wanted it any more. */
  readonly discard: (value: T) => void;
  readonly signal?: AbortSignal;
}

export interface AttemptOutcome<Item, T> {
  readonly item: Item;
  readonly result: PromiseSettledResult<T>;
}

/**
 * Makes one attempt for each item, in their order, and yields how each ended as soon as it has. The
 * next attempt begins when the one before has had its head start, or when the caller, having seen
 * every outcome so far, asks for another: a silent first choice costs its head start and no more,
 * yet keeps its chance (as in RFC 8305, "Happy Eyeballs").
 *
 * Leaving the loop aborts the attempts that are still under way. @throws the signal's reason
 */
export async function* staggered<Item, T>(
  items: readonly Item[],
  attempt: (item: Item, signal: AbortSignal) => Promise<T>,
  { headStartMs, discard, signal }: StaggerOptions<T>,
): AsyncGenerator<AttemptOutcome<Item, T>, void> {
  const left = new AbortController();
  const stop = signal ? AbortSignal.any([signal, left.signal]) : left.signal;
  const underWay = new Map<Item, Promise<AttemptOutcome<Item, T>>>();
  const waiting = [...items];
  try {
    while (waiting.length > 0 || underWay.size > 0) {
      const next = waiting.shift();
      if (next !== undefined) underWay.set(next, settle(next, attempt(next, stop)));
      for (;;) {
        const outcome = await firstOf(underWay, waiting.length > 0 ? headStartMs : undefined);
        if (outcome === undefined) break;
        signal?.throwIfAborted();
        underWay.delete(outcome.item);
        yield outcome;
        if (waiting.length > 0 || underWay.size === 0) break;
      }
    }
  } finally {
    left.abort(new Error('another attempt was enough'));
    for (const outcome of underWay.values()) {
      void outcome.then(({ result }) => {
        if (result.status === 'fulfilled') discard(result.value);
      });
    }
  }
}

async function settle<Item, T>(item: Item, attempt: Promise<T>): Promise<AttemptOutcome<Item, T>> {
  const [result] = await Promise.allSettled([attempt]);
  return { item, result };
}

/** The first outcome; undefined when the time passed without one. */
async function firstOf<Outcome>(
  underWay: ReadonlyMap<unknown, Promise<Outcome>>,
  withinMs: number | undefined,
): Promise<Outcome | undefined> {
  if (withinMs === undefined) return await Promise.race(underWay.values());
  const over = new AbortController();
  try {
    const time = systemClock.sleep(withinMs, over.signal).then(
      () => undefined,
      () => undefined,
    );
    return await Promise.race([...underWay.values(), time]);
  } finally {
    over.abort();
  }
}
