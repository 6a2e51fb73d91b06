import type { MasterContact, View } from '../api/messages.ts';
import { betterMaster, orderFor, sessionOrder } from '../core/member-masters.ts';
import type { PathFacts } from '../core/member-plan.ts';
import { describeError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import { KeyedQueue } from '../runtime/keyed-queue.ts';
import type { Log } from '../runtime/log.ts';
import { derivePresharedKey } from '../trust/wireguard-keys.ts';
import { introducesMembers, rendezvousWith } from './direct/membership-facts.ts';
import type { HostKeeper } from './host-keeper.ts';
import { mastersOf, type TrustedMaster, trustedMastersOf } from './master-trust.ts';
import { Measurer } from './measuring/measurer.ts';
import type { MemberIdentity } from './member-directory.ts';
import type { MemberHost } from './member-host.ts';
import {
  type MembershipEndReason,
  type MembershipFiles,
  type MembershipState,
  slotsFor,
  type Tombstone,
} from './membership-files.ts';
import type { MasterPath, MembershipPaths } from './membership-paths.ts';
import { noMembership } from './membership-problems.ts';
import type { Destinations } from './moving/destinations.ts';
import type { MoveState } from './moving/move-state.ts';
import { Mover } from './moving/mover.ts';
import { checkOwnChain } from './own-chain.ts';
import { PathEndpoints } from './path-endpoints.ts';
import type { PathKeeper } from './path-keeper.ts';
import { PeerTunnels } from './peer-tunnels.ts';
import type { ResolveHost } from './resolve-endpoint.ts';
import { ResumptionTickets } from './resumption-tickets.ts';
import type { ClientCredentials } from './tls-connection.ts';
import { validityOf } from './validity.ts';

export interface MembershipDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Promise<MemberHost>;
  readonly hostKeeper: HostKeeper;
  readonly pathKeeper: PathKeeper;
  readonly resolveHost: ResolveHost;
  /** 0 to 1. */
  readonly random: () => number;
}

export interface MembershipOptions {
  readonly files: MembershipFiles;
  readonly state: MembershipState;
  readonly identity: MemberIdentity;
  /** Where it may be moved to. */
  readonly destinations: Destinations;
  /** The name of the interface of a slot. */
  readonly interfaceName: (slot: number) => string;
  /** The names of the interfaces of all direct peers, and of all sealed tunnels. */
  readonly peerInterfaces: { readonly direct: string; readonly sealed: string };
}

/** A master that takes longer is none to leave a direct path for. */
const masterAnswerMs = 1_000;

/**
 * What one membership knows, kept the same on the disk and in the host: first the disk, then the
 * host, so that a crash in between leaves the newer view to be applied at the next start.
 *
 * Its methods that change something are called one at a time: see `exclusively`.
 */
export class Membership {
  readonly name: string;
  readonly paths: MembershipPaths;
  readonly peers: PeerTunnels;
  readonly tickets = new ResumptionTickets();
  readonly measurer: Measurer;
  readonly mover: Mover;
  readonly #options: MembershipOptions;
  readonly #dependencies: MembershipDependencies;
  readonly #endpoints: PathEndpoints;
  readonly #changes = new KeyedQueue<'change'>();
  /** Ends of carriers, instead of the masters' own. */
  readonly #carried = new Map<MasterName, string>();
  #state: MembershipState;
  /** Absent while the stored view's certificates cannot be trusted any more. */
  #masters: readonly TrustedMaster[] | undefined;
  #isOver = false;

  constructor(options: MembershipOptions, dependencies: MembershipDependencies) {
    this.name = options.files.name;
    this.#options = options;
    this.#state = options.state;
    this.#dependencies = dependencies;
    const { using } = options.state;
    const before = using === undefined ? {} : { usedBefore: using };
    this.paths = dependencies.pathKeeper.create(this.name, before);
    this.paths.onChange(() => void this.#rememberUse());
    const onLate = () => void this.#applyLate();
    this.#endpoints = new PathEndpoints(this.name, { ...dependencies, onLate });
    this.peers = this.#createPeerTunnels();
    this.measurer = new Measurer({ ...dependencies, trust: () => this.#trustOfTransfers() });
    const { destinations } = options;
    this.mover = new Mover(
      { membership: this.name, state: () => this.#state, save: (move) => this.#saveMove(move) },
      { ...dependencies, destinations },
    );
  }

  /** What it shows to masters of its VPN. */
  get credentials(): ClientCredentials {
    return { chain: this.#state.chain, privateKeyPem: this.#options.identity.privateKeyPem };
  }

  get state(): MembershipState {
    return this.#state;
  }

  /** The revision of what the host has applied; 0 makes a master send the whole view. */
  get appliedRevision(): number {
    return this.#masters ? this.#state.view.revision : 0;
  }

  /** Of the key of what the host has applied; 0 for none. */
  get appliedEpoch(): number {
    return this.#masters ? this.#state.view.key.epoch : 0;
  }

  /** Whether the own certificate has run out: no master takes it but to renew it. */
  hasExpired(): boolean {
    return validityOf(this.#state.chain).endsAtMs < this.#dependencies.clock.nowMs();
  }

  /** Masters in the order in which this member uses them. */
  get masterOrder(): readonly MasterContact[] {
    const { place, view } = this.#state;
    const masters = new Map(mastersOf(view).map((contact) => [contact.name, contact]));
    const order = orderFor(place.ipv6, view.orders, [...masters.keys()]);
    return order.flatMap((name) => masters.get(name) ?? []);
  }

  /** Masters in the order in which to look for a session. */
  get sessionOrder(): readonly MasterContact[] {
    const order = this.masterOrder;
    const names = sessionOrder(this.#candidatesOf(order));
    return names.flatMap((name) => order.find((contact) => contact.name === name) ?? []);
  }

  /** Where a session with the `current` master should move to; undefined to stay. */
  betterMaster(current: MasterName): MasterContact | undefined {
    const order = this.masterOrder;
    const using = this.paths.using?.master;
    if (using === undefined) return undefined;
    const better = betterMaster(this.#candidatesOf(order), using, current);
    return order.find(({ name }) => name === better);
  }

  /**
   * Runs a change when all that were begun before have ended: while one session replaces another
   * there are two, and either may bring news.
   * @throws MemberError `no-membership` once it is over, whatever is still on its way
   */
  exclusively<T>(change: () => Promise<T>): Promise<T> {
    return this.#changes.run('change', () =>
      this.#isOver ? Promise.reject(noMembership(this.name, [])) : change(),
    );
  }

  /** Resolves when no change is under way. */
  settled(): Promise<void> {
    return this.#changes.settled('change');
  }

  /**
   * Brings the host to the stored view, with the masters' names resolved anew.
   * When the view's certificates have run out since, the host gets nothing of it: the next session
   * starts with the whole view.
   */
  async bringUp(): Promise<void> {
    const { log } = this.#dependencies;
    try {
      this.#masters = await this.#trust(this.#state.view);
    } catch (error) {
      this.#masters = undefined;
      log.warn({ membership: this.name, reason: describeError(error) }, 'stored view not usable');
      this.#dependencies.hostKeeper.skip(this.name);
      return;
    }
    await this.#endpoints.refresh(this.#masters);
    await this.peers.prepare();
    await this.#apply();
  }

  /**
   * Takes a newer view: checked, then on the disk, then in the host.
   * @throws MemberError `untrusted-master`; nothing has changed then
   */
  async acceptView(view: View): Promise<void> {
    const masters = await this.#trust(view);
    const { keying } = this.#state.view;
    await this.#save({ ...this.#state, view, slots: slotsFor(view, this.#state.slots) });
    this.#masters = masters;
    if (view.keying !== keying) this.peers.follow(keying);
    await this.#endpoints.complete(masters);
    await this.peers.prepare();
    await this.#apply();
  }

  /** Takes the place of another membership among those of the VPN; resolves when the host goes by it. */
  async takeRank(rankMs: number): Promise<void> {
    await this.exclusively(async () => {
      if (this.#state.rankMs === rankMs) return;
      await this.#save({ ...this.#state, rankMs });
      await this.#apply();
    });
  }

  /** Takes how far to spread at the loss of a master, in place of what the view says. */
  async acceptSpread(spreadMs: number): Promise<void> {
    await this.#save({ ...this.#state, view: { ...this.#state.view, spreadMs } });
  }

  /** Takes a younger certificate. @throws MemberError `bad-message` when it is not this member's */
  async acceptChain(chain: readonly string[]): Promise<void> {
    const { place, rootCertificate, keys } = this.#state;
    await checkOwnChain([...chain], {
      place,
      rootCertificate,
      identityKey: this.#options.identity.identityKey,
      wireguardKey: keys.acting.publicKey,
      nowMs: this.#dependencies.clock.nowMs(),
    });
    await this.#save({ ...this.#state, chain: [...chain] });
  }

  /** Whether the master brings members of the subset together. */
  introduces(master: MasterName): boolean {
    return introducesMembers(this.#state.view, master);
  }

  /** Shows a master where the direct interface sends from; nothing while its own address is not known. */
  meet(name: MasterName): void {
    const master = this.#masters?.find((trusted) => trusted.name === name);
    const rendezvous = master && rendezvousWith(master, this.#endpointOf(name));
    if (rendezvous) this.peers.meet(rendezvous);
  }

  /** Whether the packets to this master go by a carrier. */
  isCarried(master: MasterName): boolean {
    return this.#carried.has(master);
  }

  /** Whether it is known that UDP gets through to the master, and back. */
  isProvenOverUdp(master: MasterName): boolean {
    const interfaceName = this.paths.interfaceOf(master);
    if (interfaceName === undefined || this.isCarried(master)) return false;
    const status = this.#dependencies.pathKeeper.statuses().get(interfaceName);
    return !!status?.isAlive && status.isProven;
  }

  /**
   * Gives the tunnel to a master another end; resolves when the host has it.
   * @param endpoint of a carrier; undefined for the master's own
   * @throws MemberError `no-membership` once it is over; HostError
   */
  async carry(master: MasterName, endpoint: string | undefined): Promise<void> {
    if (endpoint === undefined) this.#carried.delete(master);
    else this.#carried.set(master, endpoint);
    await this.exclusively(() => this.#apply());
  }

  /** The master's carrier is closed, and its tunnel is nobody's concern until the next change. */
  forgetCarrier(master: MasterName): void {
    this.#carried.delete(master);
  }

  /** Whether the master answers in its tunnel within the time. @throws the signal's reason */
  async answersWithin(master: MasterName, limitMs: number, signal: AbortSignal): Promise<boolean> {
    const interfaceName = this.paths.interfaceOf(master);
    if (interfaceName === undefined) return false;
    return await this.#dependencies.pathKeeper.answersWithin(interfaceName, limitMs, signal);
  }

  /** Forgets it: why on the disk, then the keys from the disk, then everything from the host. */
  end(reason: MembershipEndReason): Promise<Tombstone> {
    return this.exclusively(() => this.#end(reason));
  }

  async #end(reason: MembershipEndReason): Promise<Tombstone> {
    this.#isOver = true;
    const { vpn, subset, name } = this.#state.place;
    const endedAtMs = this.#dependencies.clock.nowMs();
    const tombstone: Tombstone = { version: 1, vpn: vpn.name, subset, name, reason, endedAtMs };
    await this.peers.close();
    try {
      await this.#options.files.writeEnded(tombstone);
    } finally {
      // Also when the disk refuses: then the next start is told once more.
      this.#dependencies.pathKeeper.remove(this.name);
      await this.#dependencies.hostKeeper.remove(this.name);
    }
    return tombstone;
  }

  /** What is on the disk holds, also when the host cannot follow at once: each later change makes it. */
  async #saveMove(move: MoveState): Promise<void> {
    await this.exclusively(async () => {
      await this.#save({ ...this.#state, move });
      if (move.stage !== 'moved') return;
      await this.#apply().catch((error: unknown) => {
        const reason = describeError(error);
        this.#dependencies.log.warn({ membership: this.name, reason }, 'host not behind a move');
      });
    });
  }

  async #save(state: MembershipState): Promise<void> {
    await this.#options.files.writeState(state);
    this.#state = state;
  }

  #trust(view: View): Promise<readonly TrustedMaster[]> {
    const { place, rootCertificate } = this.#state;
    const nowMs = this.#dependencies.clock.nowMs();
    return trustedMastersOf(view, { vpn: place.vpn.name, rootCertificate, nowMs });
  }

  #candidatesOf(order: readonly MasterContact[]) {
    return order.map(({ name }) => ({ master: name, isAlive: this.paths.isAlive(name) }));
  }

  async #apply(): Promise<void> {
    const masters = this.#masters;
    if (!masters) return;
    const { hostKeeper, pathKeeper } = this.#dependencies;
    const { keys, rankMs, move, place } = this.#state;
    const { vpn, ipv4, ipv6 } = place;
    const { interfaceName: using } = this.paths.plan(this.#pathsInOrder());
    const facts = {
      privateKey: keys.acting.privateKey,
      paths: masters.map((master) => this.#pathFacts(master)),
      admission: { vpnId: vpn.id, prefixes: vpn.prefixes, ipv4, ipv6, using },
      ...(move?.stage === 'moved' ? { isLeaving: true } : {}),
    };
    try {
      await this.peers.apply((tunnels) =>
        hostKeeper.set(this.name, rankMs, { ...facts, ...tunnels }),
      );
    } finally {
      // Also when one of them failed: that one is dead then.
      pathKeeper.watch(this.name, ipv6);
    }
  }

  /** For the next start, on its own time: traffic has moved already. */
  async #rememberUse(): Promise<void> {
    const isKnown = () => {
      const using = this.paths.using?.master;
      return using === undefined || using === (this.#state.using ?? this.masterOrder[0]?.name);
    };
    if (isKnown()) return;
    try {
      await this.exclusively(async () => {
        const using = this.paths.using?.master;
        if (using !== undefined && !isKnown()) await this.#save({ ...this.#state, using });
      });
    } catch (error) {
      const reason = describeError(error);
      this.#dependencies.log.warn({ membership: this.name, reason }, 'path in use not remembered');
    }
  }

  /** Names were resolved that nobody waited for any more. */
  async #applyLate(): Promise<void> {
    try {
      await this.exclusively(() => this.#apply());
    } catch (error) {
      // The next round of connection attempts applies again.
      const reason = describeError(error);
      this.#dependencies.log.warn({ membership: this.name, reason }, 'late addresses not applied');
    }
  }

  #trustOfTransfers() {
    const { place, rootCertificate } = this.#state;
    return { vpn: place.vpn.name, rootCertificate, credentials: this.credentials };
  }

  #createPeerTunnels(): PeerTunnels {
    const { files, peerInterfaces: interfaces } = this.#options;
    return new PeerTunnels(
      {
        ...{ files, interfaces },
        known: () => ({ state: this.#state, masters: this.#masters ?? [] }),
        endpointOf: (master) => this.#endpointOf(master),
        masterAnswers: () => this.#usedMasterAnswers(),
        savePorts: (ports) => this.#save({ ...this.#state, ...ports }),
        exclusively: (change) => this.exclusively(change),
      },
      this.#dependencies,
    );
  }

  async #usedMasterAnswers(): Promise<boolean> {
    const { using } = this.paths;
    if (!using) return false;
    const { pathKeeper } = this.#dependencies;
    return await pathKeeper.answersWithin(using.interfaceName, masterAnswerMs);
  }

  #endpointOf(name: MasterName): string | undefined {
    const master = this.#masters?.find((trusted) => trusted.name === name);
    return master && this.#endpoints.of(master).endpoint;
  }

  #pathsInOrder(): readonly MasterPath[] {
    return this.masterOrder.map(({ name }) => ({
      master: name,
      interfaceName: this.#interfaceOf(name),
    }));
  }

  #interfaceOf(master: MasterName): string {
    return this.#options.interfaceName(this.#state.slots.indexOf(master));
  }

  #pathFacts(master: TrustedMaster): PathFacts {
    const { view, keys } = this.#state;
    const { publicKey } = master;
    const { endpoint: own, mtuBytes } = this.#endpoints.of(master);
    const endpoint = this.#carried.get(master.name) ?? own;
    const presharedKey = derivePresharedKey({
      groupKey: view.key.groupKey,
      epoch: view.key.epoch,
      publicKeys: [keys.acting.publicKey, publicKey],
    });
    const facts = { publicKey, presharedKey };
    return {
      interfaceName: this.#interfaceOf(master.name),
      mtuBytes,
      master: endpoint === undefined ? facts : { ...facts, endpoint },
    };
  }
}
