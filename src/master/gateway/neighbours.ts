import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { BackboneNeighbour } from '../../core/gateway-plan.ts';
import type { MasterName } from '../../model/names.ts';
import { type Address, parseAddress } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Log } from '../../runtime/log.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';
import type { Directory, KnownMaster } from '../directory/directory.ts';
import type { Underlay } from '../underlay.ts';

export interface NeighboursOptions {
  readonly master: MasterName;
  /** Its key towards other masters. */
  readonly backboneKey: WireguardPublicKey;
}

export interface NeighboursDependencies {
  readonly directory: Directory;
  readonly underlay: Underlay;
  readonly log: Log;
}

/** Where a master is on the network below. */
interface Whereabouts {
  /** Of the record that it was found by. */
  readonly revision: number;
  /** Undefined while its name cannot be resolved, or nothing leads there. */
  readonly found: Pick<BackboneNeighbour, 'address' | 'mtuBytes'> | undefined;
}

/**
 * What the network below says of the other masters, remembered: names and narrow paths are looked
 * up when a master is new and in `lookAfter`, never because a route has to change.
 */
export class Neighbours {
  readonly #options: NeighboursOptions;
  readonly #dependencies: NeighboursDependencies;
  readonly #known = new Map<MasterName, Whereabouts>();
  #membersMtuBytes: number | undefined;

  constructor(options: NeighboursOptions, dependencies: NeighboursDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** Looks up what was never looked up. @throws when this master's own address is not there */
  async load(): Promise<void> {
    const missing = this.#others().filter(
      ({ record, revision }) => this.#known.get(record.name)?.revision !== revision,
    );
    await Promise.all(missing.map((other) => this.#find(other)));
    this.#membersMtuBytes ??= await this.#findMembersMtu();
  }

  /** Looks up everything anew. @throws as `load` does */
  async lookAfter(): Promise<void> {
    await Promise.all(this.#others().map((other) => this.#find(other)));
    this.#membersMtuBytes = await this.#findMembersMtu();
  }

  /** Bytes of the tunnels to members. `load` comes first. */
  get membersMtuBytes(): number {
    if (this.#membersMtuBytes === undefined) throw new Error('nothing was loaded yet');
    return this.#membersMtuBytes;
  }

  /** The masters that can be reached by name, none while the backbone has no key. */
  current(): readonly BackboneNeighbour[] {
    const { backboneKey } = this.#dependencies.directory;
    if (!backboneKey) return [];
    return this.#others().flatMap(({ record, keys }) => {
      const found = this.#known.get(record.name)?.found;
      if (!found) return [];
      const publicKeys = [keys.backbone, this.#options.backboneKey] as const;
      const presharedKey = derivePresharedKey({ ...backboneKey, publicKeys });
      return [{ record, publicKey: keys.backbone, presharedKey, ...found }];
    });
  }

  #others(): readonly KnownMaster[] {
    return [...this.#dependencies.directory.masters.values()].filter(
      ({ record }) => record.name !== this.#options.master,
    );
  }

  async #find({ record, revision }: KnownMaster): Promise<void> {
    const { log, underlay } = this.#dependencies;
    try {
      const address = await resolveHost(record.wireguard.host);
      const mtuBytes = await underlay.tunnelMtuTo(address);
      this.#known.set(record.name, { revision, found: { address, mtuBytes } });
    } catch (error) {
      // Where it was is better than nowhere: the tunnel may well work.
      const before = this.#known.get(record.name);
      this.#known.set(record.name, { revision, found: before?.found });
      log.warn({ master: record.name, error }, 'cannot find another master now');
    }
  }

  async #findMembersMtu(): Promise<number> {
    const { directory, underlay } = this.#dependencies;
    const self = directory.masters.get(this.#options.master);
    if (!self) throw new Error(`the directory has no valid record of ${this.#options.master}`);
    return underlay.tunnelMtuAt(await resolveHost(self.record.wireguard.host));
  }
}

/** The host's first address, canonical. @throws the resolver's error */
async function resolveHost(host: string): Promise<Address> {
  const bare = host.replace(/^\[|\]$/g, '');
  return parseAddress(isIP(bare) ? bare : (await lookup(bare)).address);
}
