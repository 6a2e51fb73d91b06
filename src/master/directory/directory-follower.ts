import { decodeRecord } from '../../model/records/codec.ts';
import { type VpnRecord, vpnRecordSchema } from '../../model/records/directory.ts';
import { Backoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { backboneKeyKey, directoryPrefix, vpnKey } from '../../store/keys.ts';
import type { Change, Entry, Store } from '../../store/store.ts';
import { StoreError } from '../../store/store-error.ts';
import type { SealingKey } from '../../trust/sealing.ts';
import { GroupKeyStore } from '../group-key-store.ts';
import { MasterError } from '../master-error.ts';
import { Directory } from './directory.ts';
import { deleteAllExcept, deleteDirectoryEntry, putDirectoryEntry } from './directory-records.ts';

/** The directory changes rarely; what is late by this much costs a little of a takeover. */
const retryDelays = { minMs: 100, maxMs: 2_000 };

export interface DirectoryFollowerDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly sealingKey: SealingKey;
  /** Called after each batch of changes has been taken in, with their number. */
  readonly onChanged: (changes: number) => void;
}

/** Reads the directory and follows it. Records that do not hold are left out and logged, never used. */
export class DirectoryFollower {
  readonly directory: Directory;
  readonly #dependencies: DirectoryFollowerDependencies;
  readonly #backboneKeys: GroupKeyStore;
  #mustReadAnew = false;

  private constructor(vpn: VpnRecord, dependencies: DirectoryFollowerDependencies) {
    this.directory = new Directory(vpn);
    this.#dependencies = dependencies;
    this.#backboneKeys = new GroupKeyStore({
      keyOf: backboneKeyKey,
      sealingKey: dependencies.sealingKey,
    });
  }

  /** @throws MasterError `no-authority` when the store holds no VPN; StoreError when it cannot be read */
  static async open(dependencies: DirectoryFollowerDependencies): Promise<DirectoryFollower> {
    const entry = await dependencies.store.get(vpnKey);
    if (!entry) {
      throw new MasterError(
        'the store holds no VPN: make one with "hanse vpn create", or name the right store',
        {
          code: 'no-authority',
        },
      );
    }
    const follower = new DirectoryFollower(
      decodeRecord(vpnRecordSchema, entry.key, entry.value),
      dependencies,
    );
    await follower.#readAll();
    return follower;
  }

  /**
   * Follows until the signal is aborted. A store that is out of reach is waited for, and what it
   * has forgotten meanwhile is read anew.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#dependencies;
    const backoff = new Backoff(retryDelays);
    while (!signal.aborted) {
      try {
        await this.#watch(backoff, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ error }, 'following the directory failed; trying again');
        if (error instanceof StoreError && error.code === 'compacted') this.#mustReadAnew = true;
      }
      await clock.sleep(backoff.nextDelayMs(), signal).catch(() => undefined);
    }
  }

  async #watch(backoff: Backoff, signal: AbortSignal): Promise<void> {
    const { store, onChanged } = this.#dependencies;
    if (this.#mustReadAnew) {
      onChanged(await this.#readAll(signal));
      this.#mustReadAnew = false;
    }
    const options = { prefixes: [directoryPrefix], afterRevision: this.directory.revision };
    for await (const batch of store.watch(options, signal)) {
      backoff.reset();
      for (const change of batch.changes) await this.#apply(change);
      this.directory.revision = batch.revision;
      if (batch.changes.length > 0) onChanged(batch.changes.length);
    }
  }

  /** Makes the next backbone key, unless another master was quicker. */
  async rotateBackboneKey(): Promise<void> {
    const current = this.directory.backboneKey;
    if (!current) return;
    const { if: comparisons, then } = this.#backboneKeys.planRotation(
      current,
      this.#dependencies.clock.nowMs(),
    );
    await this.#dependencies.store.transact({ if: comparisons, then });
  }

  /** @returns how many entries there are */
  async #readAll(signal?: AbortSignal): Promise<number> {
    const { entries, revision } = await this.#dependencies.store.range(directoryPrefix, {}, signal);
    deleteAllExcept(new Set(entries.map(({ key }) => key)), this.directory);
    for (const entry of entries) await this.#put(entry);
    this.directory.revision = revision;
    return entries.length;
  }

  async #apply(change: Change): Promise<void> {
    if (change.kind === 'put') await this.#put(change.entry);
    else deleteDirectoryEntry(change.key, this.directory);
  }

  async #put(entry: Entry): Promise<void> {
    const { clock, log, sealingKey } = this.#dependencies;
    try {
      await putDirectoryEntry(entry, {
        directory: this.directory,
        backboneKeys: this.#backboneKeys,
        sealingKey,
        nowMs: clock.nowMs(),
      });
    } catch (error) {
      log.error(
        { key: entry.key, error },
        'a record of the directory does not hold; leaving it out',
      );
    }
  }
}
