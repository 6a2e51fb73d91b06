import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { planBlockRoutes } from '../../core/block-routes.ts';
import { type BackboneNeighbour, type GatewayFacts, planGateway } from '../../core/gateway-plan.ts';
import type { Host, PeerObservation } from '../../host/host.ts';
import { interfaceName } from '../../host/interface-name.ts';
import type { PeerState } from '../../model/host-state.ts';
import { dnsNameOf, type MasterName, type SubsetName } from '../../model/names.ts';
import { type Address, parseAddress } from '../../model/prefix.ts';
import type { WireguardPrivateKey, WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { Log } from '../../runtime/log.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';
import type { Directory, KnownMaster } from '../directory/directory.ts';
import type { SubsetKeeper } from '../subset/subset-keeper.ts';
import type { SubsetState } from '../subset/subset-state.ts';
import type { Underlay } from '../underlay.ts';
import { MemberPeers } from './member-peers.ts';

export interface GatewayKeeperOptions {
  readonly master: MasterName;
  readonly keys: {
    readonly members: {
      readonly publicKey: WireguardPublicKey;
      readonly privateKey: WireguardPrivateKey;
    };
    readonly backbone: {
      readonly publicKey: WireguardPublicKey;
      readonly privateKey: WireguardPrivateKey;
    };
  };
}

export interface GatewayKeeperDependencies {
  readonly host: Host;
  readonly directory: Directory;
  readonly subsets: SubsetKeeper;
  readonly clock: Clock;
  readonly log: Log;
  readonly underlay: Underlay;
  /** Ends when the master stops. */
  readonly signal: AbortSignal;
}

/** How long a subset whose roll cannot be read keeps the others of this master waiting after a start. */
const patienceMs = 5_000;

/** Keeps the master's host as the directory and the rolls want it. */
export class GatewayKeeper {
  readonly #options: GatewayKeeperOptions;
  readonly #dependencies: GatewayKeeperDependencies;
  readonly #peers = new Map<SubsetName, MemberPeers>();
  readonly #states = new Map<SubsetName, SubsetState>();
  readonly #loop: LatestLoop;
  readonly #startedMs: number;

  constructor(options: GatewayKeeperOptions, dependencies: GatewayKeeperDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#startedMs = dependencies.clock.monotonicMs();
    this.#loop = new LatestLoop(() => this.#apply());
  }

  /**
   * Brings the host up to date. A failure is logged, and tried again with the next change.
   * @returns whether what was known at the call is in force now
   */
  async refresh(): Promise<boolean> {
    try {
      await this.#loop.request();
      return true;
    } catch (error) {
      const { log, signal } = this.#dependencies;
      if (!signal.aborted) log.error({ error }, 'could not bring the host into the wanted state');
      return false;
    }
  }

  /** The other masters' and the members' tunnels, as WireGuard sees them. */
  observe(): Promise<readonly PeerObservation[]> {
    return this.#dependencies.host.observe();
  }

  async #apply(): Promise<void> {
    if (this.#isTooEarly()) return;
    await this.#dependencies.host.apply(
      planGateway(await this.#facts()),
      this.#dependencies.signal,
    );
  }

  /**
   * A restarted master finds its tunnels as it left them. They stay untouched until it has read the
   * rolls of all its subsets, because without them it would take every member's tunnel away.
   */
  #isTooEarly(): boolean {
    const { directory, clock } = this.#dependencies;
    const known = new Set(this.#governedStates().map(({ subset }) => subset));
    const isMissing = directory
      .servedBy(this.#options.master)
      .some(({ name, acting }) => acting === this.#options.master && !known.has(name));
    return isMissing && clock.monotonicMs() - this.#startedMs < patienceMs;
  }

  async #facts(): Promise<GatewayFacts> {
    const { directory, underlay } = this.#dependencies;
    const { master, keys } = this.#options;
    const self = directory.masters.get(master);
    if (!self) throw new Error(`the directory has no valid record of ${master}`);
    const neighbours = await Promise.all(
      [...directory.masters.values()]
        .filter(({ record }) => record.name !== master)
        .map((other) => this.#neighbour(other)),
    );
    const membersMtuBytes = await underlay.tunnelMtuAt(
      await resolveHost(self.record.wireguard.host),
    );
    // The rolls are read last and without waiting, so that they are the newest.
    const states = this.#governedStates();
    return {
      vpn: directory.vpn,
      self: self.record,
      keys: { members: keys.members.privateKey, backbone: keys.backbone.privateKey },
      interfaceNames: this.#interfaceNames(),
      subsets: directory.subsetRecords(),
      acting: new Set(states.map(({ subset }) => subset)),
      served: new Set(states.map(({ subset }) => subset)),
      routes: this.#routes(new Set(states.map(({ subset }) => subset))),
      memberPeers: states.flatMap((state) => this.#memberPeers(state)),
      membersMtuBytes,
      neighbours: neighbours.filter((neighbour) => neighbour !== undefined),
    };
  }

  #routes(served: ReadonlySet<SubsetName>): GatewayFacts['routes'] {
    const { directory } = this.#dependencies;
    return planBlockRoutes({
      self: this.#options.master,
      subsets: directory.subsetRecords().map((record) => ({
        record,
        acting: directory.actingNow(record.name) ?? record.acting,
      })),
      drained: directory.drained,
      served,
      isAlive: () => true,
      lingering: new Set(),
      strays: [],
    });
  }

  /**
   * What is acted for, and what was, as long as the directory gives it to this master: a lease
   * decides who may change a subset, and traffic does not wait for it (DESIGN §9).
   */
  #governedStates(): readonly SubsetState[] {
    const { directory, subsets } = this.#dependencies;
    for (const { state } of subsets.acting()) this.#states.set(state.subset, state);
    for (const subset of this.#states.keys()) {
      if (directory.homeOf(subset) !== this.#options.master) this.#states.delete(subset);
    }
    return [...this.#states.values()];
  }

  #memberPeers(state: SubsetState): readonly PeerState[] {
    const known =
      this.#peers.get(state.subset) ?? new MemberPeers(this.#options.keys.members.publicKey);
    this.#peers.set(state.subset, known);
    return known.update(state.roll.activeMembers(), state.key);
  }

  /** Undefined while it cannot be reached by name or the backbone has no key; the others go on. */
  async #neighbour({ record, keys }: KnownMaster): Promise<BackboneNeighbour | undefined> {
    const { directory, log, underlay } = this.#dependencies;
    const backbone = directory.backboneKey;
    if (!backbone) return undefined;
    try {
      const address = await resolveHost(record.wireguard.host);
      const publicKeys = [keys.backbone, this.#options.keys.backbone.publicKey] as const;
      const presharedKey = derivePresharedKey({ ...backbone, publicKeys });
      return {
        record,
        address,
        publicKey: keys.backbone,
        presharedKey,
        mtuBytes: await underlay.tunnelMtuTo(address),
      };
    } catch (error) {
      log.warn({ master: record.name, error }, 'cannot reach another master now; leaving it out');
      return undefined;
    }
  }

  #interfaceNames(): GatewayFacts['interfaceNames'] {
    const { id, name: vpn } = this.#dependencies.directory.vpn;
    const node = dnsNameOf({ kind: 'master', vpn, name: this.#options.master });
    return {
      members: interfaceName({ vpnId: id, node, pathClass: 'members' }),
      backbone: (other) => interfaceName({ vpnId: id, node, pathClass: `backbone:${other}` }),
    };
  }
}

/** The host's first address, canonical. @throws the resolver's error */
async function resolveHost(host: string): Promise<Address> {
  const bare = host.replace(/^\[|\]$/g, '');
  return parseAddress(isIP(bare) ? bare : (await lookup(bare)).address);
}
