/**
 * Lets so many through at once; the others wait in their order. Without it, a thousand requests made
 * in the same instant would keep each other waiting until their time is over.
 */
export class Gate {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #inside = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Resolves when there is room; whoever is through must leave by disposing of what it gets.
   * @throws the signal's reason when it is aborted first
   */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#inside < this.#limit) this.#inside += 1;
    else await this.#wait(signal);
    return { [Symbol.dispose]: () => this.#leave() };
  }

  #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const settle = (): void => {
      this.#waiting.delete(admit);
      signal.removeEventListener('abort', refuse);
    };
    const admit = (): void => {
      settle();
      resolve();
    };
    const refuse = (): void => {
      settle();
      reject(signal.reason);
    };
    this.#waiting.add(admit);
    signal.addEventListener('abort', refuse, { once: true });
    return promise;
  }

  /** The place goes to the next one, or becomes free. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next) next();
    else this.#inside -= 1;
  }
}
