import { masterLinkLocal } from '../../core/addressing.ts';
import { type GatewayFacts, planGateway } from '../../core/gateway-plan.ts';
import type { Conversation } from '../../host/firewall/conversation-listing.ts';
import type { Host, PeerObservation } from '../../host/host.ts';
import { interfaceName } from '../../host/interface-name.ts';
import type { PeerState } from '../../model/host-state.ts';
import { dnsNameOf, type MasterName, type SubsetName } from '../../model/names.ts';
import type { MasterRecord } from '../../model/records/directory.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { WireguardPrivateKey, WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { PathStatus } from '../../paths/path-monitor.ts';
import { ProbeResponder } from '../../paths/probe-responder.ts';
import type { Clock } from '../../runtime/clock.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { Log } from '../../runtime/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { StoredGroupKey } from '../group-key-store.ts';
import { Rendezvous } from '../introductions/rendezvous.ts';
import type { ServedSubset } from '../subset/served-subset.ts';
import type { SubsetKeeper } from '../subset/subset-keeper.ts';
import type { Underlay } from '../underlay.ts';
import { BackbonePaths } from './backbone-paths.ts';
import { MemberPeers } from './member-peers.ts';
import { Neighbours } from './neighbours.ts';
import { Routing } from './routing.ts';

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
  readonly subsets: Pick<SubsetKeeper, 'serving'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly underlay: Underlay;
  /** Ends when the master stops. */
  readonly signal: AbortSignal;
}

/** How long a master waits after its start for rolls that are not read, and for paths that are neither alive nor dead. */
const patienceMs = 5_000;
const patiencePollMs = 20;
/** How often it is looked whether a route has to change although nothing was heard. */
const lookEveryMs = 100;
/** Every so many looks the other masters are told which members use this one. */
const claimEveryLooks = 10;

/** Keeps the master's host as the directory, the rolls and the paths to the other masters want it. */
export class GatewayKeeper {
  /** A change of it is in force after the next `refresh`. */
  readonly rendezvous: Rendezvous;
  readonly #options: GatewayKeeperOptions;
  readonly #dependencies: GatewayKeeperDependencies;
  readonly #peers: MemberPeers;
  readonly #served = new Map<SubsetName, ServedSubset>();
  /** Those that the master served when it started, until their rolls are read. */
  #unread: ReadonlySet<SubsetName> | undefined;
  readonly #neighbours: Neighbours;
  readonly #paths: BackbonePaths;
  readonly #routing: Routing;
  readonly #loop: LatestLoop;
  readonly #startedMs: number;
  #isReady = false;

  constructor(options: GatewayKeeperOptions, dependencies: GatewayKeeperDependencies) {
    const { master, keys } = options;
    const { directory, clock } = dependencies;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#startedMs = clock.monotonicMs();
    this.#peers = new MemberPeers(keys.members.publicKey);
    this.rendezvous = new Rendezvous(keys.members.publicKey);
    this.#neighbours = new Neighbours(
      { master, backboneKey: keys.backbone.publicKey },
      dependencies,
    );
    this.#paths = new BackbonePaths({
      ...dependencies,
      interfaceNameOf: (other) => this.#interfaceNames().backbone(other),
      onChange: () => void this.refresh(),
      onStrays: (other, strays) => this.#routing.heardClaims(other, strays, clock.monotonicMs()),
    });
    this.#routing = new Routing(master, {
      directory,
      isAlive: (other) => this.#paths.isAlive(other),
    });
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

  /** Looks up anew where the other masters are, and brings the host up to date. */
  async lookAfter(): Promise<void> {
    const { log } = this.#dependencies;
    await this.#neighbours
      .lookAfter()
      .catch((error: unknown) => log.warn({ error }, 'cannot look at the network below now'));
    await this.refresh();
  }

  /** Watches the paths to the other masters, and answers members that watch theirs, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#dependencies;
    const responder = new ProbeResponder(
      { interfaceName: this.#interfaceNames().members, address: masterLinkLocal },
      {
        clock,
        log,
        onAsk: (from, ask) => this.#routing.heardUse(from, ask, clock.monotonicMs()),
      },
    );
    await Promise.all([this.#paths.run(signal), responder.run(signal), this.#look(signal)]);
  }

  /** The other masters' and the members' tunnels, as WireGuard sees them. */
  async observe(): Promise<readonly PeerObservation[]> {
    const { rendezvous } = this.#interfaceNames();
    const peers = await this.#dependencies.host.observe();
    return peers.filter(({ interfaceName }) => interfaceName !== rendezvous);
  }

  /** Where the direct interfaces of those at the rendezvous are. */
  observeRendezvous(): Promise<readonly PeerObservation[]> {
    return this.#dependencies.host.observeInterface(this.#interfaceNames().rendezvous);
  }

  /** Which members have exchanged packets through this master in the last seconds. */
  conversations(): Promise<readonly Conversation[]> {
    return this.#dependencies.host.conversations();
  }

  /** Which of them have begun in the last second. */
  begunConversations(): Promise<readonly Conversation[]> {
    return this.#dependencies.host.begunConversations();
  }

  /** The UDP port on which this master's WireGuard takes members. */
  get membersPort(): number {
    return this.#self().wireguard.membersPort;
  }

  /** The paths to the other masters, by name; none before their tunnels are there. */
  pathStatuses(): ReadonlyMap<MasterName, PathStatus> {
    return this.#paths.statuses();
  }

  /** Members that are routed one by one, because they use another master than their block. */
  get strayCount(): number {
    return this.#routing.strayCount;
  }

  async #apply(): Promise<void> {
    const { host, signal } = this.#dependencies;
    await this.#neighbours.load();
    if (!this.#isReady) await this.#awaitReadiness();
    // From here to the apply nothing waits, so that what is applied is the newest.
    const facts = this.#facts();
    await host.apply(planGateway(facts), signal);
    this.#paths.watch(facts.self, facts.neighbours, facts.subsets);
    this.#claim();
  }

  /**
   * A restarted master finds its tunnels and routes as it left them. They stay untouched until it
   * knows which of the other masters are alive, and who its members are, as far as that is soon.
   */
  async #awaitReadiness(): Promise<void> {
    const { clock, signal } = this.#dependencies;
    const self = this.#self();
    const subsets = this.#dependencies.directory.subsetRecords();
    this.#paths.watchExisting(self, this.#neighbours.current(), subsets);
    const knowsAll = (): boolean =>
      this.#paths.areProven() && this.#unreadSubsets(this.#servedSubsets()).size === 0;
    const isReady = (): boolean =>
      clock.monotonicMs() - this.#startedMs >= patienceMs || knowsAll();
    while (!isReady()) await clock.sleep(patiencePollMs, signal);
    this.#isReady = true;
  }

  #facts(): GatewayFacts {
    const { directory, clock } = this.#dependencies;
    const { master, keys } = this.#options;
    const served = this.#servedSubsets();
    const unread = this.#unreadSubsets(served);
    const names = new Set([...served.keys(), ...unread]);
    const subsets = directory.subsetRecords();
    return {
      vpn: directory.vpn,
      self: this.#self(),
      keys: { members: keys.members.privateKey, backbone: keys.backbone.privateKey },
      interfaceNames: this.#interfaceNames(),
      subsets,
      acting: new Set([...names].filter((subset) => directory.actingNow(subset) === master)),
      served: names,
      unread,
      memberPeers: this.#memberPeers(served),
      rendezvousPeers: this.rendezvous.peers((member) => keyFor(member, served)),
      routes: this.#routing.plan(names, clock.monotonicMs()),
      onlySealed: directory.keyingPhase === 'shared',
      notesDistant: directory.keyingPhase !== 'per-subset',
      membersMtuBytes: this.#neighbours.membersMtuBytes,
      neighbours: this.#neighbours.current(),
    };
  }

  #self(): MasterRecord {
    const self = this.#dependencies.directory.masters.get(this.#options.master);
    if (!self) throw new Error(`the directory has no valid record of ${this.#options.master}`);
    return self.record;
  }

  /**
   * What is served, and what was, as long as the directory gives it to this master: while a lease
   * changes hands or a roll is read anew, traffic does not wait for it (DESIGN §9).
   */
  #servedSubsets(): ReadonlyMap<SubsetName, ServedSubset> {
    const { directory, subsets } = this.#dependencies;
    for (const served of subsets.serving()) this.#served.set(served.subset, served);
    for (const subset of this.#served.keys()) {
      if (!directory.isServing(this.#options.master, subset)) this.#served.delete(subset);
    }
    return this.#served;
  }

  /**
   * A roll may be out of reach for long when a master starts, as its region's store is. Whoever has a tunnel
   * from before keeps it, as members of a running master do while it has lost its store.
   */
  #unreadSubsets(served: ReadonlyMap<SubsetName, ServedSubset>): ReadonlySet<SubsetName> {
    const { directory } = this.#dependencies;
    const { master } = this.#options;
    const before = this.#unread ?? new Set(directory.servedBy(master).map(({ name }) => name));
    const isUnread = (subset: SubsetName) =>
      !served.has(subset) && directory.isServing(master, subset);
    this.#unread = new Set([...before].filter(isUnread));
    return this.#unread;
  }

  #memberPeers(served: ReadonlyMap<SubsetName, ServedSubset>): readonly PeerState[] {
    return this.#peers.update(
      [...served.values()].map(({ subset, roll, key }) => ({
        subset,
        members: roll.activeMembers(),
        key,
      })),
    );
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { clock } = this.#dependencies;
    for (let looks = 1; !signal.aborted; looks += 1) {
      if (this.#isReady && this.#routing.isOutdated(clock.monotonicMs())) void this.refresh();
      if (looks % claimEveryLooks === 0) this.#claim();
      await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    }
  }

  /** Tells the masters that serve a subset which of its members use this one though they should not. */
  #claim(): void {
    const { directory } = this.#dependencies;
    for (const [subset, strays] of this.#routing.claims) {
      const record = directory.subsets.get(subset)?.record;
      if (!record) continue;
      for (const other of [record.acting, ...record.backups]) this.#paths.tell(other, strays);
    }
  }

  #interfaceNames(): GatewayFacts['interfaceNames'] {
    const { id, name: vpn } = this.#dependencies.directory.vpn;
    const node = dnsNameOf({ kind: 'master', vpn, name: this.#options.master });
    return {
      members: interfaceName({ vpnId: id, node, pathClass: 'members' }),
      rendezvous: interfaceName({ vpnId: id, node, pathClass: 'rendezvous' }),
      backbone: (other) => interfaceName({ vpnId: id, node, pathClass: `backbone:${other}` }),
    };
  }
}

/** The subset's newest key, for who is an active member still, with the same WireGuard key. */
function keyFor(
  { subset, name, keys }: MemberRecord,
  served: ReadonlyMap<SubsetName, ServedSubset>,
): StoredGroupKey | undefined {
  const of = served.get(subset);
  return of?.roll.findActive(name)?.keys.acting === keys.acting ? of.key : undefined;
}
