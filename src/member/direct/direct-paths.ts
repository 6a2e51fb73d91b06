import {
  type DirectContact,
  type DirectPath,
  type IntroduceMessage,
  maxCandidates,
  maxDirectPeers,
} from '../../api/direct-messages.ts';
import type { GroupKeyView, Place } from '../../api/messages.ts';
import type { DirectFacts } from '../../core/direct-plan.ts';
import { describeError } from '../../model/error.ts';
import type { MasterName } from '../../model/names.ts';
import type { Address } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { isAbort } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { Log } from '../../runtime/log.ts';
import type { HostKeeper } from '../host-keeper.ts';
import type { MemberHost } from '../member-host.ts';
import { isAging } from '../validity.ts';
import { DirectHost } from './direct-host.ts';
import { DirectPeer, type PeerPhase, type PeerWays } from './direct-peer.ts';
import { DirectWatch } from './direct-watch.ts';
import { checkIntroduction, type Introduced, type TrustedPeer } from './introduction-check.ts';
import { pickLocalAddresses } from './local-addresses.ts';
import { MasterWay } from './master-way.ts';
import { withPort } from './membership-facts.ts';
import { PeerTable } from './peer-table.ts';
import { RefusedIntroductions } from './refused-introductions.ts';
import { type RememberedPeer, type RememberedPeers, rememberedPeers } from './remembered-peers.ts';
import { Rendezvous, type RendezvousMaster } from './rendezvous.ts';

/** What the membership knows, as of now. */
export interface DirectKnowledge {
  readonly rootCertificate: string;
  readonly ownKey: WireguardPublicKey;
  /** The member's own certificate and those that vouch for it. */
  readonly ownChain: readonly string[];
  readonly masterKeys: readonly WireguardPublicKey[];
  readonly key: GroupKeyView;
  /** Whether members of other subsets have the same one. */
  readonly haveOneKey: boolean;
  /** Where the direct interface listens; absent until a port was chosen. */
  readonly port?: number;
}

export interface DirectPathsOptions {
  readonly membership: string;
  readonly place: Place;
  readonly interfaceName: string;
  /** Where peers are kept on the disk. */
  readonly peersPath: string;
  readonly known: () => DirectKnowledge;
  /** Of the tunnel to the master, numeric; undefined while it is not known. */
  readonly endpointOf: (master: MasterName) => string | undefined;
}

export interface DirectPathsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Promise<MemberHost>;
  readonly hostKeeper: HostKeeper;
  /** Whether the master whose tunnel traffic takes answers in it now. */
  readonly masterAnswers: () => Promise<boolean>;
  /** The machine does not take the interface as it is; perhaps somebody has its port. */
  readonly onGivenUp: () => void;
}

/**
 * The direct paths of one membership: to whom it was introduced, and to which of them the kernel sends
 * without a master. Moving traffic back needs no master, no disk and no resolver.
 *
 * `introduce` and `withdraw` are called one at a time, see `Membership.exclusively`.
 */
export class DirectPaths {
  readonly #options: DirectPathsOptions;
  readonly #dependencies: DirectPathsDependencies;
  readonly #peers = new PeerTable();
  readonly #rendezvous = new Rendezvous();
  readonly #remembered: RememberedPeers;
  readonly #saves: LatestLoop;
  readonly #host: DirectHost;
  readonly #watch: DirectWatch;
  readonly #masterWay: MasterWay;
  readonly #refused: RefusedIntroductions;
  readonly #listeners = new Set<() => void>();
  #addresses: readonly Address[] = [];
  #moves = 0;
  #hasTakenUp = false;
  #isClosed = false;

  constructor(options: DirectPathsOptions, dependencies: DirectPathsDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#remembered = rememberedPeers(options.peersPath, dependencies.log);
    this.#saves = new LatestLoop(() => this.#remembered.write(this.#peers.remembered));
    this.#refused = new RefusedIntroductions(options.membership, dependencies);
    const { clock, masterAnswers } = dependencies;
    this.#masterWay = new MasterWay({ clock, answers: masterAnswers });
    this.#host = new DirectHost(options, {
      ...{ hostKeeper: dependencies.hostKeeper, known: options.known },
      wanted: () => [...this.#rendezvous.peers, ...this.#peers.planned],
    });
    const { interfaceName, place } = options;
    const watched = { peers: this.#peers, rendezvous: this.#rendezvous };
    this.#watch = new DirectWatch(
      { interfaceName, ipv6: place.ipv6, ...watched },
      { ...dependencies, onRendezvousOver: () => void this.#applySoon() },
    );
  }

  /** For the host, with the preshared keys of the newest epoch; undefined while there is no interface. */
  get facts(): DirectFacts | undefined {
    return this.#host.facts;
  }

  /** How often traffic has moved between a master and a direct path. */
  get moves(): number {
    return this.#moves;
  }

  /** How many introductions were not to be trusted. */
  get refused(): number {
    return this.#refused.count;
  }

  /** For `hello`; undefined while there is no port to be reached at. */
  get contact(): Omit<DirectContact, 'sealedPort' | 'peers'> | undefined {
    const { port, ownChain } = this.#options.known();
    if (port === undefined) return undefined;
    return { port, addresses: [...this.#addresses], chain: [...ownChain] };
  }

  /** Whom the host or the disk has; masters have to know, to withdraw those that are members no more. */
  get held(): readonly WireguardPublicKey[] {
    return this.#peers.held.map(({ publicKey }) => publicKey);
  }

  /**
   * Takes up those that are on the disk, once; they are tried as if they were introduced.
   * @returns whether there are any, and so an interface must be
   */
  async takeUp(): Promise<boolean> {
    if (this.#hasTakenUp) return this.#peers.size > 0;
    this.#hasTakenUp = true;
    const stored = await this.#remembered.read();
    for (const peer of stored) {
      const ways = waysTo(peer);
      const trusted = await this.#check({ ...peer, candidates: [...ways.candidates] });
      if (!trusted) continue;
      const isFirst = this.#options.known().ownKey < trusted.publicKey;
      this.#hold(trusted, true).introduce(trusted, ways, isFirst);
    }
    if (this.#peers.size < stored.length) this.#saveSoon();
    if (this.#peers.size > 0) this.#host.assume();
    return this.#peers.size > 0;
  }

  /** Looks at the machine's own addresses, for `contact`. */
  async refreshAddresses(): Promise<void> {
    const host = await this.#dependencies.host;
    const { prefixes } = this.#options.place.vpn;
    this.#addresses = pickLocalAddresses(host.networkAddresses(), prefixes);
  }

  /** Another session has begun: where a master has seen the interface before counts no more, however soon it asks. */
  showAnew(): void {
    this.#rendezvous.clear();
  }

  /** Shows the master where the direct interface sends from. */
  meet(master: RendezvousMaster): void {
    if (this.#isClosed) return;
    this.#rendezvous.meet(master, this.#dependencies.clock.monotonicMs());
    this.#host.make();
    void this.#applySoon();
  }

  /** Tries whom the master introduces, if the root vouches for it; what else it says changes nothing. */
  async introduce(introduction: IntroduceMessage, from: MasterName): Promise<void> {
    const { candidates, isFirst } = introduction;
    if (candidates.length === 0 && !this.#holdsAt(introduction.ipv6)) return;
    this.#rendezvous.prolong(from, this.#dependencies.clock.monotonicMs());
    const trusted = await this.#check(introduction);
    if (!trusted || this.#isClosed) return;
    const known = this.#peers.get(trusted.publicKey);
    if (candidates.length === 0) {
      if (known?.renew(trusted)) this.#saveSoon();
      return;
    }
    if (!this.#peers.makeRoomFor(trusted)) {
      this.#refused.add('too many direct peers');
      return;
    }
    this.#host.make();
    const ways = this.#waysOf(introduction, from);
    (known ?? this.#hold(trusted, false)).introduce(trusted, ways, isFirst);
  }

  /** Where those are whose certificates should have been renewed by now, and that are in use. */
  get aging(): readonly Address[] {
    const nowMs = this.#dependencies.clock.nowMs();
    return this.#peers.all
      .filter(({ phase, trusted }) => phase === 'direct' && isAging(trusted.chain, nowMs))
      .map(({ trusted }) => trusted.ipv6);
  }

  /** Resolves when neither the host nor the disk has them any more. @throws HostError */
  async withdraw(keys: readonly WireguardPublicKey[]): Promise<void> {
    const held = keys.flatMap((key) => this.#peers.get(key) ?? []);
    if (held.length === 0) return;
    for (const peer of held) peer.remove('withdrawn');
    await Promise.all([this.#host.apply(), this.#saves.request()]);
  }

  /** Leaves those of other subsets, which are about to have other keys, as a path that nothing passes is left. */
  releaseOthers(): void {
    const { subset } = this.#options.place;
    for (const peer of this.#peers.all) {
      if (peer.trusted.subset !== subset) peer.release('its subset has a key of its own');
    }
  }

  /** All that there is to be told of, with what WireGuard says now. */
  async report(): Promise<readonly DirectPath[]> {
    if (this.#peers.size === 0) return [];
    const { subset } = this.#options.place;
    const seen = await this.#watch.observe();
    return this.#peers.all
      .flatMap((peer) => peer.describe(subset, seen.get(peer.publicKey)) ?? [])
      .slice(0, maxDirectPeers);
  }

  /** Calls the listener whenever a path has changed its state, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Looks after the paths until the signal is aborted. @throws its reason */
  run(signal: AbortSignal): Promise<void> {
    return this.#watch.run(signal);
  }

  /** The machine does not take the interface: all goes by masters, as if there had never been one. */
  giveUp(error: unknown): void {
    // Several steps may have met the same failure.
    if (!this.#host.isMade) return;
    const fields = { membership: this.#options.membership, err: error };
    this.#dependencies.log.warn(fields, 'no direct paths: their interface cannot be had');
    this.#rendezvous.clear();
    this.#host.forget();
    for (const peer of this.#peers.all) {
      if (peer.phase !== 'failed') peer.fail('this machine has no interface for it');
    }
    // Also when there was no peer: the host is not to be asked for it again.
    void this.#applySoon();
    this.#dependencies.onGivenUp();
  }

  /**
   * Nothing is held any more. Resolves when the disk is left alone; what the host has is the caller's.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#rendezvous.clear();
    this.#host.forget();
    this.#peers.clear();
    this.#watch.wake();
    // The folder is cleared anyway: a write that fails was not needed.
    await this.#saves.request().catch(() => undefined);
  }

  #holdsAt(ipv6: Address): boolean {
    return this.#peers.all.some(({ trusted }) => trusted.ipv6 === ipv6);
  }

  /** With the relay, as many candidates as there can be. */
  #waysOf({ candidates, relayPort }: IntroduceMessage, master: MasterName): PeerWays {
    const endpoint = this.#options.endpointOf(master);
    if (relayPort === undefined || endpoint === undefined) return { candidates };
    return {
      candidates: candidates.slice(0, maxCandidates - 1),
      relay: { master, endpoint: withPort(endpoint, relayPort) },
    };
  }

  /** @returns undefined when it is not to be trusted */
  async #check(introduced: Introduced): Promise<TrustedPeer | undefined> {
    const { place, known } = this.#options;
    const nowMs = this.#dependencies.clock.nowMs();
    const facts = { place, ...known(), others: this.#peers.holders, nowMs };
    try {
      return await checkIntroduction(introduced, facts);
    } catch (error) {
      this.#refused.add(describeError(error));
      return undefined;
    }
  }

  #hold(trusted: TrustedPeer, remembered: boolean): DirectPeer {
    const peer = new DirectPeer(trusted, remembered, {
      clock: this.#dependencies.clock,
      ask: (to, flags) => this.#watch.ask(to, flags),
      hasOtherWay: () => this.#masterWay.isProven(),
      isInPlace: (installation) => this.#host.has(trusted.publicKey, installation),
      onChange: (changed, before) => this.#changed(changed, before),
    });
    this.#peers.add(peer);
    return peer;
  }

  #changed(peer: DirectPeer, before: PeerPhase): void {
    const { phase, publicKey, trusted } = peer;
    if (phase === 'gone') this.#peers.delete(publicKey);
    const applied = this.#applySoon();
    if (phase === before) return;
    if (phase === 'direct' || before === 'direct') this.#moves += 1;
    // With the endpoint that it was found at.
    if (phase === 'direct') void this.#watch.lookAnew().then(() => this.#saveSoon());
    if (phase === 'gone') this.#saveSoon();
    const fields = { membership: this.#options.membership, peer: trusted.name, state: phase };
    this.#dependencies.log.debug(fields, 'a direct path has changed');
    // What is told is what the kernel does.
    void applied.then(() => this.#tell());
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Resolves also when it could not be done. */
  #applySoon(): Promise<void> {
    this.#watch.wake();
    return this.#host.apply().catch((error: unknown) => {
      if (!this.#isClosed && !isAbort(error)) this.giveUp(error);
    });
  }

  #saveSoon(): void {
    if (this.#isClosed) return;
    this.#saves.request().catch((error: unknown) => {
      const fields = { membership: this.#options.membership, reason: describeError(error) };
      this.#dependencies.log.warn(fields, 'direct peers are not on the disk');
    });
  }
}

function waysTo({ endpoint, relayedBy: master }: RememberedPeer): PeerWays {
  if (endpoint === undefined) return { candidates: [] };
  if (master === undefined) return { candidates: [endpoint] };
  return { candidates: [], relay: { master, endpoint } };
}
