import type { MasterName, SubsetName } from '../../model/names.ts';
import {
  decodeRecord,
  masterRecordSchema,
  subsetRecordSchema,
  type VpnRecord,
  vpnRecordSchema,
} from '../../model/records.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import {
  backboneKeyKey,
  backboneKeyPrefix,
  directoryPrefix,
  masterPrefix,
  subsetPrefix,
  vpnKey,
} from '../../store/keys.ts';
import type { Change, Entry, Store } from '../../store/store.ts';
import { verifyChain } from '../../trust/certificate-check.ts';
import type { SealingKey } from '../../trust/sealing.ts';
import { GroupKeyStore } from '../group-key-store.ts';
import { MasterError } from '../master-error.ts';
import { Directory } from './directory.ts';

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
  #revision = 0;

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

  /** Follows until the signal is aborted. @throws StoreError when the store fails */
  async run(signal: AbortSignal): Promise<void> {
    const { store, onChanged } = this.#dependencies;
    const options = { prefixes: [directoryPrefix], afterRevision: this.#revision };
    for await (const batch of store.watch(options, signal)) {
      for (const change of batch.changes) await this.#apply(change);
      this.#revision = batch.revision;
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

  async #readAll(): Promise<void> {
    const { entries, revision } = await this.#dependencies.store.range(directoryPrefix);
    for (const entry of entries) await this.#put(entry);
    this.#revision = revision;
  }

  async #apply(change: Change): Promise<void> {
    if (change.kind === 'put') return this.#put(change.entry);
    if (change.key.startsWith(masterPrefix)) {
      this.directory.masters.delete(change.key.slice(masterPrefix.length) as MasterName);
    } else if (change.key.startsWith(subsetPrefix)) {
      this.directory.subsets.delete(change.key.slice(subsetPrefix.length) as SubsetName);
    }
  }

  async #put(entry: Entry): Promise<void> {
    try {
      if (entry.key.startsWith(masterPrefix)) await this.#putMaster(entry);
      else if (entry.key.startsWith(subsetPrefix)) this.#putSubset(entry);
      else if (entry.key.startsWith(backboneKeyPrefix)) this.#putBackboneKey(entry);
    } catch (error) {
      this.#dependencies.log.error(
        { key: entry.key, error },
        'a record of the directory does not hold; leaving it out',
      );
    }
  }

  async #putMaster({ key, value, modRevision }: Entry): Promise<void> {
    const record = decodeRecord(masterRecordSchema, key, value);
    const { vpn, masters } = this.directory;
    const { wireguardKeys } = await verifyChain({
      chain: record.chain,
      root: vpn.rootCertificate,
      nowMs: this.#dependencies.clock.nowMs(),
      expected: { kind: 'master', vpn: vpn.name, name: record.name },
    });
    const { members, backbone } = wireguardKeys;
    if (!members || !backbone) {
      throw new MasterError(
        `the certificate of ${record.name} binds no WireGuard keys for members and backbone`,
        {
          code: 'no-authority',
          fields: { master: record.name },
        },
      );
    }
    masters.set(record.name, { record, revision: modRevision, keys: { members, backbone } });
  }

  #putSubset({ key, value, modRevision }: Entry): void {
    const record = decodeRecord(subsetRecordSchema, key, value);
    this.directory.subsets.set(record.name, { record, revision: modRevision });
  }

  #putBackboneKey(entry: Entry): void {
    const key = this.#backboneKeys.open(entry);
    const newest = this.directory.backboneKey;
    if (!newest || key.epoch > newest.epoch) this.directory.backboneKey = key;
  }
}
