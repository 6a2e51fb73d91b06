import { HanseError } from '../model/error.ts';
import type { RegionName } from '../model/names.ts';
import { decodeRecord } from '../model/records/codec.ts';
import {
  regionIdentityRecordSchema,
  regionRecordSchema,
  type SubsetRecord,
  vpnRecordSchema,
} from '../model/records/directory.ts';
import { regionIdentityKey, regionKey, vpnKey } from './keys.ts';
import { type OpenStoreDependencies, openStore } from './open-store.ts';
import type { Store } from './store.ts';

/**
 * - `unknown-region`: the directory has none of that name. Fields: `region`.
 * - `wrong-region`: the store that was named is not that region's of this VPN. Fields: `region`, `store`.
 */
export type RegionErrorCode = 'unknown-region' | 'wrong-region';

export class RegionError extends HanseError<RegionErrorCode> {}

export interface RollStoresOptions {
  /** The directory's store, which also has the rolls of subsets without a region. It stays the caller's. */
  readonly directory: Store;
  /** Other ways to the stores of regions than the directory names, as `openStore` takes them. */
  readonly urls?: Readonly<Record<string, string>>;
}

/**
 * The stores that rolls are in: a region's is opened when it is first asked for, and kept. It is used
 * only when it says of itself that it is that region's, so that a mistaken URL takes no roll out of
 * its region. One that cannot be opened is tried again by the next who asks, and stops no other.
 */
export class RollStores implements AsyncDisposable {
  readonly #options: RollStoresOptions;
  readonly #dependencies: OpenStoreDependencies;
  readonly #open = new Map<RegionName, Promise<Store>>();

  constructor(options: RollStoresOptions, dependencies: OpenStoreDependencies = {}) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /**
   * Where the subset's roll is; the store stays this object's.
   * @throws RegionError, StoreError, InvalidInputError when the URL names no store
   */
  of({ region }: Pick<SubsetRecord, 'region'>): Promise<Store> {
    if (region === undefined) return Promise.resolve(this.#options.directory);
    const known = this.#open.get(region);
    if (known) return known;
    const opening = this.#openRegion(region);
    this.#open.set(region, opening);
    opening.catch(() => this.#open.delete(region));
    return opening;
  }

  /** Closes the stores of regions. */
  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values());
    this.#open.clear();
    await Promise.all(
      opened.map((result) =>
        result.status === 'fulfilled' ? result.value[Symbol.asyncDispose]() : undefined,
      ),
    );
  }

  async #openRegion(region: RegionName): Promise<Store> {
    const url = this.#options.urls?.[region] ?? (await this.#recordedUrl(region));
    await using cleanup = new AsyncDisposableStack();
    const store = cleanup.use(await openStore(url, this.#dependencies));
    await this.#requireIdentity(region, url, store);
    cleanup.move();
    return store;
  }

  async #recordedUrl(region: RegionName): Promise<string> {
    const key = regionKey(region);
    const entry = await this.#options.directory.get(key);
    if (entry) return decodeRecord(regionRecordSchema, key, entry.value).store;
    throw new RegionError(
      `there is no region ${region}: \`hanse region list\` shows them, \`hanse region create\` makes one`,
      { code: 'unknown-region', fields: { region } },
    );
  }

  async #requireIdentity(region: RegionName, url: string, store: Store): Promise<void> {
    const vpnEntry = await this.#options.directory.get(vpnKey);
    const vpn = vpnEntry && decodeRecord(vpnRecordSchema, vpnKey, vpnEntry.value);
    const entry = await store.get(regionIdentityKey);
    const identity =
      entry && decodeRecord(regionIdentityRecordSchema, regionIdentityKey, entry.value);
    if (vpn && identity?.vpnId === vpn.id && identity.region === region) return;
    const what = identity ? `region ${identity.region} of VPN ${identity.vpnId}` : 'no region';
    throw new RegionError(
      `the store ${url} is not that of region ${region}: it holds ${what}; name the right store`,
      { code: 'wrong-region', fields: { region, store: url } },
    );
  }
}
