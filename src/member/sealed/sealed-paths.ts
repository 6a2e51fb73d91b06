import type { IntroduceMessage } from '../../api/direct-messages.ts';
import type { GroupKeyView, Place } from '../../api/messages.ts';
import { isSealedAddress } from '../../core/addressing.ts';
import type { SealedFacts } from '../../core/sealed-plan.ts';
import { describeError } from '../../model/error.ts';
import type { Address } from '../../model/prefix.ts';
import type { KeyingPhase } from '../../model/records/directory.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { isAbort } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { Log } from '../../runtime/log.ts';
import {
  createGroupKey,
  createWireguardKeyPair,
  derivePresharedKey,
} from '../../trust/wireguard-keys.ts';
import {
  checkIntroduction,
  type Introduced,
  type TrustedPeer,
} from '../direct/introduction-check.ts';
import { RefusedIntroductions } from '../direct/refused-introductions.ts';
import type { HostKeeper } from '../host-keeper.ts';
import type { MemberHost } from '../member-host.ts';
import { type RememberedSealedPeers, rememberedSealedPeers } from './remembered-peers.ts';
import { SealedPeer } from './sealed-peer.ts';
import { SealedTable } from './sealed-table.ts';
import { SoughtAddresses } from './sought-addresses.ts';

/** What the membership knows, as of now. */
export interface SealedKnowledge {
  readonly rootCertificate: string;
  readonly ownKey: WireguardPublicKey;
  readonly masterKeys: readonly WireguardPublicKey[];
  readonly key: GroupKeyView;
  readonly phase: KeyingPhase;
  /** Where the sealed interface listens; absent until a port was chosen. */
  readonly port?: number;
}

export interface SealedPathsOptions {
  readonly membership: string;
  readonly place: Place;
  readonly interfaceName: string;
  /** Where the tunnels are kept on the disk. */
  readonly path: string;
  readonly known: () => SealedKnowledge;
  /** Those of whom a master is to be asked although packets to them go another way. */
  readonly alsoSought: () => readonly Address[];
}

export interface SealedPathsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Promise<MemberHost>;
  readonly hostKeeper: HostKeeper;
}

/** Asks a master who is at the addresses. */
export type Seek = (addresses: readonly Address[]) => void;

/** Of a conversation's first packets, those that are lost are sent again after a second, or were one in a stream. */
const lookEveryMs = 100;
/** How long it may take until a change of the keying mode is noticed. */
const restMs = 450;
/** What WireGuard says of the tunnels, which only a failure makes interesting. */
const observeEveryMs = 2_000;
/** After the last packet was sent by the interface, what the other ends still send is taken for so long. */
const lingerMs = 10_000;

/**
 * The sealed tunnels of one membership. While the VPN's subsets have one key there is an interface for
 * them; whom packets are sent to, and no tunnel leads to, a master is asked for.
 *
 * `introduce` and `withdraw` are called one at a time, see `Membership.exclusively`.
 */
export class SealedPaths {
  readonly #options: SealedPathsOptions;
  readonly #dependencies: SealedPathsDependencies;
  readonly #peers = new SealedTable();
  readonly #sought = new SoughtAddresses();
  readonly #refused: RefusedIntroductions;
  readonly #remembered: RememberedSealedPeers;
  readonly #saves: LatestLoop;
  readonly #nobody: SealedFacts['nobody'];
  #seek: Seek | undefined;
  #hasTakenUp = false;
  #isClosed = false;
  /** By the monotonic clock: when subsets got keys of their own, while what is on its way still comes. */
  #lingersSinceMs: number | undefined;
  /** Those to whom routes lead around the interface. */
  readonly #routed = new Set<WireguardPublicKey>();
  /** Whom the host calls, and who has answered, as of the last apply. */
  #standing = '';
  #observedMs = 0;
  #trouble = '';

  constructor(options: SealedPathsOptions, dependencies: SealedPathsDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#refused = new RefusedIntroductions(options.membership, dependencies);
    this.#remembered = rememberedSealedPeers(options.path, dependencies.log);
    this.#saves = new LatestLoop(() =>
      this.#remembered.write(this.#peers.all.map(({ remembered }) => remembered)),
    );
    this.#nobody = createNobody();
  }

  /** For the host; undefined while masters forward openly what passes between members. */
  get facts(): SealedFacts | undefined {
    const { port, phase, ownKey, key } = this.#options.known();
    if (port === undefined || !this.#isActive) return undefined;
    const nowMs = this.#dependencies.clock.monotonicMs();
    return {
      interfaceName: this.#options.interfaceName,
      listenPort: port,
      isRequired: phase === 'shared',
      peers: this.#peers.all
        .filter(({ publicKey }) => this.#routed.has(publicKey))
        .map((peer) => ({
          ...peer.facts(ownKey, key, nowMs),
          isUsed: phase !== 'per-subset' && peer.isProven,
        })),
      routed: this.#peers.all.map(({ trusted }) => trusted.ipv6),
      nobody: this.#nobody,
    };
  }

  get #isActive(): boolean {
    const isOver =
      this.#options.known().phase === 'per-subset' && this.#lingersSinceMs === undefined;
    return !isOver && !this.#isClosed;
  }

  /** Whom the host or the disk has. */
  get held(): readonly WireguardPublicKey[] {
    return this.#peers.keys;
  }

  /** The other ends, for people. */
  get peers(): readonly TrustedPeer[] {
    return this.#peers.all.map(({ trusted }) => trusted);
  }

  /** How many introductions were not to be trusted. */
  get refused(): number {
    return this.#refused.count;
  }

  /** Takes up those that are on the disk, once. */
  async takeUp(): Promise<void> {
    if (this.#hasTakenUp || this.#options.known().phase === 'per-subset') return;
    this.#hasTakenUp = true;
    const nowMs = this.#dependencies.clock.monotonicMs();
    for (const { sealedPort, ...introduced } of await this.#remembered.read()) {
      const trusted = await this.#check({ ...introduced, candidates: [] });
      if (!trusted) continue;
      if (!this.#add(new SealedPeer(trusted, sealedPort, nowMs))) return;
      // The host may have it still, with its routes.
      this.#routed.add(trusted.publicKey);
    }
  }

  /** Sealed tunnels are to be from now on, or to be no more, by what is known by now. */
  follow(before: KeyingPhase): void {
    const { phase } = this.#options.known();
    if (phase !== 'per-subset') this.#lingersSinceMs = undefined;
    else if (before !== 'per-subset') {
      this.#lingersSinceMs = this.#dependencies.clock.monotonicMs();
    }
  }

  /** @returns what stops it, if nobody else asks by then */
  seekBy(seek: Seek): () => void {
    this.#seek = seek;
    return () => {
      if (this.#seek === seek) this.#seek = undefined;
    };
  }

  /** Makes a tunnel to whom the master introduces, if the root vouches for it. Resolves when the host has it. */
  async introduce({ sealedPort, isFirst, ...introduced }: IntroduceMessage): Promise<void> {
    const trusted = await this.#check(introduced);
    if (!trusted || this.#isClosed || this.#options.known().phase === 'per-subset') return;
    const known = this.#peers.get(trusted.publicKey);
    if (sealedPort === undefined) {
      if (known?.renew(trusted)) this.#saveSoon();
      return;
    }
    const nowMs = this.#dependencies.clock.monotonicMs();
    const peer = known ?? new SealedPeer(trusted, sealedPort, nowMs);
    const before = peer.trusted;
    const isNew = peer.introduce(trusted, sealedPort, isFirst, nowMs);
    if (!known && !this.#add(peer)) return;
    // The way around the interface is another one.
    if (known && this.#peers.refile(peer, before)) this.#routed.delete(peer.publicKey);
    this.#sought.found([trusted.ipv4, trusted.ipv6]);
    if (isNew || !known) this.#saveSoon();
    await this.#applySoon();
  }

  /** Resolves when neither the host nor the disk has them any more. @throws HostError */
  async withdraw(keys: readonly WireguardPublicKey[]): Promise<void> {
    const held = keys.flatMap((key) => this.#peers.get(key) ?? []);
    if (held.length === 0) return;
    for (const peer of held) this.#remove(peer);
    await Promise.all([this.#apply(), this.#saves.request()]);
  }

  /** Looks who is talked to until the signal is aborted. @throws its reason */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#dependencies;
    for (;;) {
      await clock.sleep(this.#isActive ? lookEveryMs : restMs, signal);
      if (!this.#isActive) continue;
      try {
        await this.#look();
        this.#trouble = '';
      } catch (error) {
        signal.throwIfAborted();
        this.#note(error);
      }
    }
  }

  /** Nothing is held any more. Resolves when the disk is left alone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#peers.clear();
    // The folder is cleared anyway: a write that fails was not needed.
    await this.#saves.request().catch(() => undefined);
  }

  async #look(): Promise<void> {
    const { clock } = this.#dependencies;
    const nowMs = clock.monotonicMs();
    if (this.#lingersSinceMs !== undefined) return await this.#linger(nowMs);
    const isCalling = this.#peers.all.some((peer) => !peer.isProven && peer.isCalled(nowMs));
    if (isCalling || nowMs - this.#observedMs >= observeEveryMs) await this.#observe(nowMs);
    const changed = this.#removeEnded(clock.nowMs());
    if (changed || this.#standing !== this.#standingAt(nowMs)) await this.#apply();
    if (this.#seek) this.#seekDue(await this.#addressees(), nowMs);
  }

  async #linger(nowMs: number): Promise<void> {
    if (nowMs - (this.#lingersSinceMs ?? nowMs) < lingerMs) return;
    this.#lingersSinceMs = undefined;
    for (const peer of this.#peers.all) this.#remove(peer);
    this.#saveSoon();
    await this.#apply();
  }

  async #observe(nowMs: number): Promise<void> {
    this.#observedMs = nowMs;
    const host = await this.#dependencies.host;
    for (const seen of await host.observePeers(this.#options.interfaceName)) {
      this.#peers.get(seen.publicKey)?.look(seen.handshakeAtMs, nowMs);
    }
  }

  /** @returns whether any had to go */
  #removeEnded(wallMs: number): boolean {
    const ended = this.#peers.all.filter(({ trusted }) => trusted.endsAtMs <= wallMs);
    for (const peer of ended) this.#remove(peer);
    if (ended.length > 0) this.#saveSoon();
    return ended.length > 0;
  }

  /** Everybody that packets of this membership are sent to now. */
  async #addressees(): Promise<readonly Address[]> {
    const { ipv4, ipv6 } = this.#options.place;
    const host = await this.#dependencies.host;
    const addressees = (await host.conversations()).flatMap(({ one, other }) => {
      if (one === ipv4 || one === ipv6) return [other];
      return other === ipv4 || other === ipv6 ? [one] : [];
    });
    return addressees.filter((address) => !isSealedAddress(address));
  }

  #seekDue(addressees: readonly Address[], nowMs: number): void {
    const wallMs = this.#dependencies.clock.nowMs();
    const lacking = addressees.filter((address) => {
      const peer = this.#peers.at(address);
      return !peer || peer.isDoubtful(nowMs, wallMs);
    });
    const due = this.#sought.due([...lacking, ...this.#options.alsoSought()], nowMs);
    if (due.length > 0) this.#seek?.(due);
  }

  /** @returns undefined when it is not to be trusted */
  async #check(introduced: Introduced): Promise<TrustedPeer | undefined> {
    const { place, known } = this.#options;
    const nowMs = this.#dependencies.clock.nowMs();
    const facts = { place, ...known(), haveOneKey: true, others: this.peers, nowMs };
    try {
      return await checkIntroduction(introduced, facts);
    } catch (error) {
      this.#refused.add(describeError(error));
      return undefined;
    }
  }

  /** The one that made room is sought again when it is talked to. @returns whether there was room */
  #add(peer: SealedPeer): boolean {
    const { isIn, gone } = this.#peers.add(peer, this.#dependencies.clock.monotonicMs());
    if (gone) this.#routed.delete(gone.publicKey);
    return isIn;
  }

  #remove(peer: SealedPeer): void {
    this.#peers.delete(peer);
    this.#routed.delete(peer.publicKey);
  }

  #standingAt(nowMs: number): string {
    return this.#peers.all
      .map((peer) => `${peer.publicKey} ${peer.isCalled(nowMs)} ${peer.isProven}`)
      .join();
  }

  async #apply(): Promise<void> {
    const { hostKeeper, clock } = this.#dependencies;
    const { membership } = this.#options;
    const added = this.held.filter((key) => !this.#routed.has(key));
    if (added.length > 0) await hostKeeper.setSealed(membership, this.facts);
    for (const key of added) if (this.#peers.has(key)) this.#routed.add(key);
    this.#standing = this.#standingAt(clock.monotonicMs());
    await hostKeeper.setSealed(membership, this.facts);
  }

  /** Resolves also when it could not be done. */
  async #applySoon(): Promise<void> {
    try {
      await this.#apply();
    } catch (error) {
      if (!isAbort(error)) this.#note(error);
    }
  }

  #saveSoon(): void {
    if (this.#isClosed) return;
    this.#saves.request().catch((error: unknown) => {
      const fields = { membership: this.#options.membership, reason: describeError(error) };
      this.#dependencies.log.warn(fields, 'sealed tunnels are not on the disk');
    });
  }

  #note(error: unknown): void {
    const reason = describeError(error);
    if (reason === this.#trouble) return;
    this.#trouble = reason;
    const fields = { membership: this.#options.membership, reason };
    this.#dependencies.log.warn(fields, 'sealed tunnels cannot be looked after now');
  }
}

/** Nobody has the private key: it is thrown away. */
function createNobody(): SealedFacts['nobody'] {
  const { publicKey } = createWireguardKeyPair();
  const other = createWireguardKeyPair().publicKey;
  const groupKey = createGroupKey();
  const publicKeys = [publicKey, other] as const;
  return { publicKey, presharedKey: derivePresharedKey({ groupKey, epoch: 1, publicKeys }) };
}
