/** Runs tasks with the same key one after the other, and tasks with different keys side by side. */
export class KeyedQueue<Key> {
  readonly #tails = new Map<Key, Promise<unknown>>();

  /** Resolves or rejects as the task does. A task that fails does not keep the next from running. */
  run<Result>(key: Key, task: () => Promise<Result>): Promise<Result> {
    const previous = this.#tails.get(key);
    const result = previous ? previous.then(task, task) : task();
    const tail = result
      .catch(() => undefined)
      .finally(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    this.#tails.set(key, tail);
    return result;
  }

  /** Whether any task runs or waits under the key. */
  isBusy(key: Key): boolean {
    return this.#tails.has(key);
  }

  /** Resolves when every task that was queued under the key before this call has ended, well or not. */
  async settled(key: Key): Promise<void> {
    await this.#tails.get(key);
  }

  /** Runs one task for several keys: when nothing runs under any of them, with the later ones waiting. */
  async runForAll<Result>(keys: readonly Key[], task: () => Promise<Result>): Promise<Result> {
    while (keys.some((key) => this.isBusy(key))) {
      await Promise.all(keys.map((key) => this.settled(key)));
    }
    const running = task();
    // Whoever asked hears of a failure; those who wait only need to know that it has ended.
    for (const key of keys) this.run(key, () => running).catch(() => undefined);
    return running;
  }
}
