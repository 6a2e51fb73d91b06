import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreProcess } from './store-process.ts';

/** What the contract needs to know about an implementation. */
export interface StoreHarness {
  /** Makes room for a new, empty store; disposing removes it. */
  create(): Promise<StoreLocation>;
}

export interface StoreLocation extends AsyncDisposable {
  /** What `openStore` takes, in this process and in others. */
  readonly url: string;
}

/** One test's store, with all that has been opened on it; disposing closes everything. */
export class StoreBed implements AsyncDisposable {
  readonly #location: StoreLocation;
  readonly #opened = new AsyncDisposableStack();

  private constructor(location: StoreLocation) {
    this.#location = location;
    this.#opened.use(location);
  }

  static async create(harness: StoreHarness): Promise<StoreBed> {
    return new StoreBed(await harness.create());
  }

  /** Another handle on the store in this process. */
  async open(): Promise<Store> {
    return this.#opened.use(await openStore(this.#location.url));
  }

  /** Another process with the store open. */
  async startProcess(): Promise<StoreProcess> {
    return this.#opened.use(await StoreProcess.start(this.#location.url));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(value: Uint8Array | undefined): string | undefined {
  return value && new TextDecoder().decode(value);
}

/** Writes one key without a condition. @returns the revision */
export async function put(store: Store, key: string, value = 'value'): Promise<number> {
  const result = await store.transact({ if: [], then: [{ put: key, value: bytes(value) }] });
  return result.revision;
}

/** Writes many keys, so many at once as a busy store answers within a second. */
export async function putAll(store: Store, keys: readonly string[]): Promise<void> {
  const atOnce = 25;
  for (let from = 0; from < keys.length; from += atOnce) {
    await Promise.all(keys.slice(from, from + atOnce).map((key) => put(store, key)));
  }
}

export async function remove(store: Store, key: string): Promise<number> {
  const result = await store.transact({ if: [], then: [{ delete: key }] });
  return result.revision;
}

/** Now, without any entries of interest: where a watch starts that is to see what comes. */
export async function currentRevision(store: Store): Promise<number> {
  return (await store.range('', { limit: 1 })).revision;
}
