/**
 * Runs one job again and again, never twice at a time: a request while it runs makes it run once
 * more, however many requests there were. For work that reads the newest state by itself, such as
 * applying the wanted state of a host.
 */
export class LatestLoop {
  readonly #job: () => Promise<void>;
  #isRunning = false;
  /** What waits for the next run; settled with it. */
  #next: PromiseWithResolvers<void> | undefined;

  constructor(job: () => Promise<void>) {
    this.#job = job;
  }

  /** Resolves when a run that began after this call has ended; rejects as that run does. */
  request(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    const { promise } = this.#next;
    if (!this.#isRunning) void this.#run();
    return promise;
  }

  /** Runs until nobody waits any more; one such loop at a time. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#take(); next; next = this.#take()) {
      await this.#job().then(next.resolve, next.reject);
    }
    this.#isRunning = false;
  }

  #take(): PromiseWithResolvers<void> | undefined {
    const next = this.#next;
    this.#next = undefined;
    return next;
  }
}
