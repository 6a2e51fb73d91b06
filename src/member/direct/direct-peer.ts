import type { DirectPath, DirectState } from '../../api/direct-messages.ts';
import { memberLinkLocal } from '../../core/addressing.ts';
import { type Quiet, watchTraffic } from '../../core/direct-liveness.ts';
import type { PlannedPeer } from '../../core/direct-plan.ts';
import { directTickMs, startTrial, type Trial } from '../../core/direct-trial.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { Address } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Ask } from '../../paths/probe-message.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DirectObservation } from '../member-host.ts';
import type { TrustedPeer } from './introduction-check.ts';
import { PeerProbing } from './peer-probing.ts';
import { PeerSilence } from './peer-silence.ts';
import { PeerTrial } from './peer-trial.ts';
import { ReleaseOffer } from './release-offer.ts';
import type { RememberedPeer } from './remembered-peers.ts';

/**
 * - `trying`: one candidate after the other; ends in `direct` with the first answer, else in `failed`
 *   or, for a path that was there before, in `dormant`.
 * - `direct`: the kernel sends by it. Ends in `dormant` when it dies, in `leaving` when both ends agree to
 *   leave it: see `ReleaseOffer`.
 * - `leaving`: the kernel sends by a master again, and what the other end still sends this way is
 *   taken. Ends in `gone`.
 * - `dormant`: died. Nothing is sent, but the other end is heard when it comes back: with every master
 *   down nobody else could bring the two together again. Ends when it is heard, or introduced anew.
 * - `listening`: introduced anew after it died. A search takes the tunnel down, so it is first found out
 *   whether the other end still sends by it, as one does whose daemon stands still. Ends in `trying`
 *   when nothing has come for a while, else in `dormant`.
 * - `failed`: the host knows nothing of it; it is only told for a while.
 * - `gone`: withdrawn, released or expired; it is held no more.
 */
export type PeerPhase =
  | 'trying'
  | 'direct'
  | 'leaving'
  | 'dormant'
  | 'listening'
  | 'failed'
  | 'gone';

export interface DirectPeerDependencies {
  readonly clock: Clock;
  /** @returns what the answer will repeat */
  readonly ask: (to: Address, flags: Pick<Ask, 'using' | 'hearsYou'>) => number;
  /** Whether packets would get somewhere without it: what is not forced waits for that. */
  readonly hasOtherWay: () => boolean;
  /** Whether the host has it as it was put in that time, see `PeerTrial`; a busy machine takes seconds. */
  readonly isInPlace: (installation: number) => boolean;
  /** The phase has changed, or what the host is to have of it. */
  readonly onChange: (peer: DirectPeer, before: PeerPhase) => void;
}

/** What passes on the datagrams of two members that cannot reach each other. */
export interface PeerRelay {
  readonly master: MasterName;
  /** Numeric, with the port that is this member's. */
  readonly endpoint: string;
}

/** How a peer may be reached. */
export interface PeerWays {
  /** Numeric `address:port`, the best first. */
  readonly candidates: readonly string[];
  /** For when none of these serves. */
  readonly relay?: PeerRelay;
}

/** While nothing is sent by it any more, what the other end has sent may still be on its way. */
const leavingTicks = 5_000 / directTickMs;
/** The two ends find a path alive within a round trip; one that does not follow has begun anew, or does not want to. */
const followTicks = 2_000 / directTickMs;
const failureShownMs = 60_000;
/** For two round trips to masters, and two between the ends. */
const idleOfferMs = 3_000;
/** The two have no key in common any more; WireGuard lets the session that they have last for three minutes at most. */
const partingMs = 60_000;
/** The other end has found a dead path out by then, unless its daemon stands still. */
const listeningTicks = 2_000 / directTickMs;

/** What an introduction asks for. */
interface Search {
  readonly trial: Trial;
  readonly relay: PeerRelay | undefined;
}

interface Listening {
  readonly search: Search;
  readonly silence: PeerSilence;
}

/** One other member, from its introduction to its end. `DirectPaths` moves it on, tick by tick. */
export class DirectPeer {
  readonly publicKey: WireguardPublicKey;
  readonly #dependencies: DirectPeerDependencies;
  readonly #probing: PeerProbing;
  readonly #trial: PeerTrial;
  #trusted: TrustedPeer;
  #phase: PeerPhase = 'gone';
  #reason = '';
  /** By the monotonic clock. */
  #sinceMs = 0;
  #phaseTicks = 0;
  #relay: PeerRelay | undefined;
  /** In the phase of that name. */
  #listening: Listening | undefined;
  #endpoint: string | undefined;
  #wasDirect: boolean;
  /** It is left on the other end's word alone, which that takes back when it was said in a restart. */
  #isFollowing = false;
  #remoteHasUsed = false;
  /** While `direct`. */
  #offer: ReleaseOffer | undefined;
  #quiet: Quiet | undefined;
  #lastEndpoint: string | undefined;

  /** @param remembered whether there was a path to it before this daemon was started */
  constructor(trusted: TrustedPeer, remembered: boolean, dependencies: DirectPeerDependencies) {
    this.publicKey = trusted.publicKey;
    this.#trusted = trusted;
    this.#wasDirect = remembered;
    this.#dependencies = dependencies;
    this.#trial = new PeerTrial(dependencies.clock);
    this.#probing = new PeerProbing({ clock: dependencies.clock, ask: () => this.#ask() });
  }

  get phase(): PeerPhase {
    return this.#phase;
  }

  get trusted(): TrustedPeer {
    return this.#trusted;
  }

  get linkLocal(): Address {
    return memberLinkLocal(this.#trusted.ipv6);
  }

  /** How long it has been in its phase. */
  get ageMs(): number {
    return this.#dependencies.clock.monotonicMs() - this.#sinceMs;
  }

  /** A candidate has had its time, or it was listened for long enough: `endStep` is waited for. */
  get isStepOver(): boolean {
    if (this.#listening) return this.#listening.silence.isDue;
    return this.#phase === 'trying' && this.#trial.isStepOver;
  }

  /** It failed, and that has been told for long enough. */
  get isForgettable(): boolean {
    return this.#phase === 'failed' && !this.#wasDirect && this.#state === undefined;
  }

  /** Starts a search, whatever there was before. A path that is in use or only half left stays. */
  introduce(trusted: TrustedPeer, { candidates, relay }: PeerWays, isFirst: boolean): void {
    if (this.#phase === 'direct' || this.#phase === 'leaving') this.renew(trusted);
    else this.#trusted = trusted;
    if (this.#phase === 'leaving') this.#resume('introduced again');
    this.#offer = undefined;
    const search = { trial: startTrial(candidates, isFirst, relay?.endpoint), relay };
    if (this.#phase === 'direct') return;
    if (this.#phase === 'trying' && !this.#trial.isWorthwhile(search.trial)) return;
    if (this.#phase === 'dormant') this.#listen(search);
    else if (this.#listening) this.#listening = { ...this.#listening, search };
    else this.#start(search);
  }

  /** Takes the chain if it is younger. @returns whether it is */
  renew({ chain, endsAtMs }: TrustedPeer): boolean {
    if (endsAtMs <= this.#trusted.endsAtMs) return false;
    this.#trusted = { ...this.#trusted, chain, endsAtMs };
    return true;
  }

  /** The host's part in it ends now. */
  remove(reason: string): void {
    this.#enter('gone', reason);
  }

  /**
   * Nothing is to go by it any more, as soon as both ends have another way, and within a minute
   * anyway; what the other end still sends then is taken.
   */
  release(reason: string): void {
    if (this.#phase === 'direct') this.#offer = new ReleaseOffer(reason, partingMs, true);
    else if (this.#phase !== 'leaving') this.remove(reason);
  }

  /** The host cannot have it. */
  fail(reason: string): void {
    this.#enter('failed', reason);
  }

  tick(): void {
    this.#phaseTicks += 1;
    this.#listening?.silence.tick();
    this.#probing.tick(this.#mayAsk);
    if (this.#phase === 'trying' && this.#isInPlace) this.#trial.tick();
    if (this.#phase === 'direct' && this.#probing.isDead) this.#die();
    if (this.#phase === 'direct' && this.#offer?.tick()) this.#endOffer(this.#offer);
    if (this.#phase === 'leaving' && this.#phaseTicks >= leavingTicks) this.remove('released');
  }

  /**
   * Goes on to what comes after a step, see `isStepOver`.
   * @param seen what WireGuard says now; undefined when it does not answer
   */
  endStep(seen: DirectObservation | undefined): void {
    if (this.#listening) this.#endSilence(this.#listening, seen?.receivedBytes);
    else this.#endTrialStep(seen);
  }

  #endTrialStep(seen: DirectObservation | undefined): void {
    const end = this.#trial.endStep(seen);
    if (end === 'none') {
      this.#enter(this.#wasDirect ? 'dormant' : 'failed', 'nothing came back');
      return;
    }
    this.#try();
    if (end === 'other') this.#dependencies.onChange(this, this.#phase);
  }

  /** @returns whether it is to be answered */
  onAsk({ using }: Pick<Ask, 'using'>): boolean {
    if (!this.#isInPlace) return false;
    this.#probing.onAsk();
    if (this.#isSilent) this.#begin(startTrial([], false), 'heard again');
    this.#trial.heard();
    if (this.#phase === 'direct' && !using) this.#agree();
    else if (this.#isFollowing && using) this.#resume('the other end uses it again');
    this.#remoteHasUsed ||= using;
    return true;
  }

  onAnswer(sequence: number): void {
    if (!this.#isInPlace) return;
    this.#probing.onAnswer(sequence);
    if (this.#phase === 'trying') this.#becomeDirect();
  }

  /** Takes in what WireGuard says of it. A path that nothing passes is offered for release. */
  look({ endpoint, receivedBytes, sentBytes }: DirectObservation): void {
    if (this.#phase !== 'direct') return;
    this.#lastEndpoint = endpoint ?? this.#lastEndpoint;
    const payloadBytes = receivedBytes + sentBytes - this.#probing.bytes;
    const nowMs = this.#dependencies.clock.monotonicMs();
    const { quiet, isIdle } = watchTraffic(this.#quiet, payloadBytes, nowMs);
    this.#quiet = quiet;
    if (isIdle) this.#offer ??= new ReleaseOffer('nothing passed for a minute', idleOfferMs, false);
  }

  /** What the host is to have of it; undefined for nothing. */
  get planned(): PlannedPeer | undefined {
    if (!this.#isInstalled) return undefined;
    const { publicKey, ipv4, ipv6 } = this.#trusted;
    const endpoint = this.#endpoint;
    const isSearching = this.#phase === 'trying' && this.#trial.candidate !== undefined;
    return {
      publicKey,
      ...(endpoint === undefined ? {} : { endpoint }),
      isKeptAlive: isSearching || this.#phase === 'direct' || this.#phase === 'leaving',
      member: { ipv4, ipv6 },
      isRouted: this.#phase === 'direct',
      installation: this.#trial.installation,
    };
  }

  /** What is to be known of it after a restart; undefined for nothing. */
  get remembered(): RememberedPeer | undefined {
    if (!this.#wasDirect || this.#phase === 'gone') return undefined;
    const { name, subset, chain, ipv4, ipv6 } = this.#trusted;
    const endpoint = this.#lastEndpoint ?? this.#endpoint;
    const known = { name, subset, chain: [...chain], ipv4, ipv6 };
    return { ...known, ...this.#toldEndpoint(endpoint) };
  }

  /** For people and masters; undefined for what is told no more. */
  describe(ownSubset: SubsetName, seen: DirectObservation | undefined): DirectPath | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    const { clock } = this.#dependencies;
    const { roundTripMs } = this.#probing;
    const endpoint = state === 'direct' ? (seen?.endpoint ?? this.#endpoint) : this.#endpoint;
    const handshakeAgeMs =
      seen?.handshakeAtMs === undefined ? undefined : clock.nowMs() - seen.handshakeAtMs;
    return {
      peer: this.publicKey,
      name: this.#trusted.name,
      ...(this.#trusted.subset === ownSubset ? {} : { subset: this.#trusted.subset }),
      state,
      reason: this.#reason,
      ageMs: Math.max(0, this.ageMs),
      tried: [...this.#trial.tried],
      ...(state === 'failed' ? {} : this.#toldEndpoint(endpoint)),
      ...(roundTripMs === undefined || state !== 'direct' ? {} : { roundTripMs }),
      ...(handshakeAgeMs === undefined ? {} : { handshakeAgeMs: Math.max(0, handshakeAgeMs) }),
    };
  }

  get #state(): DirectState | undefined {
    if (this.#phase === 'trying' || this.#phase === 'direct') return this.#phase;
    if (this.#phase === 'listening') return 'trying';
    const hasFailed = this.#phase === 'failed' || this.#phase === 'dormant';
    return hasFailed && this.ageMs < failureShownMs ? 'failed' : undefined;
  }

  #toldEndpoint(endpoint: string | undefined): Pick<DirectPath, 'endpoint' | 'relayedBy'> {
    if (endpoint === undefined) return {};
    const relay = this.#relay;
    return relay?.endpoint === endpoint ? { endpoint, relayedBy: relay.master } : { endpoint };
  }

  get #isInstalled(): boolean {
    return this.#phase !== 'failed' && this.#phase !== 'gone';
  }

  /**
   * Whether what is heard comes by the tunnel that is to stay. The other end must not use one that
   * is about to be taken down, so it gets no answer by that.
   */
  get #isInPlace(): boolean {
    return this.#isInstalled && this.#dependencies.isInPlace(this.#trial.installation);
  }

  get #isSilent(): boolean {
    return this.#phase === 'dormant' || this.#phase === 'listening';
  }

  #start({ trial, relay }: Search): void {
    this.#trial.putInAnew();
    this.#relay = relay;
    this.#begin(trial, 'introduced');
  }

  #listen(search: Search): void {
    this.#enter('listening', 'introduced');
    this.#listening = { search, silence: new PeerSilence() };
  }

  #endSilence({ search, silence }: Listening, receivedBytes: number | undefined): void {
    if (silence.look(receivedBytes)) this.#start(search);
    else if (this.#phaseTicks >= listeningTicks) {
      this.#enter('dormant', 'the other end does not answer, but still sends by it');
    }
  }

  #begin(trial: Trial, reason: string): void {
    this.#probing.begin();
    this.#trial.begin(trial);
    this.#try();
    this.#enter('trying', reason);
  }

  #try(): void {
    this.#probing.hasten();
    // Without one, WireGuard keeps to the endpoint where it hears the other end.
    this.#endpoint = this.#trial.candidate;
  }

  /** Before there is an endpoint, a packet would only keep WireGuard from sending a handshake when there is one. */
  get #mayAsk(): boolean {
    if (this.#phase === 'direct' || this.#phase === 'leaving') return true;
    if (this.#phase !== 'trying' || !this.#isInPlace) return false;
    return this.#trial.isHeardInStep || this.#trial.candidate !== undefined;
  }

  #ask(): number {
    const isDirect = this.#phase === 'direct';
    const isOffered = this.#offer !== undefined && this.#dependencies.hasOtherWay();
    const using = isDirect && !isOffered;
    const hearsYou = isDirect || this.#trial.isHeardInStep;
    return this.#dependencies.ask(this.linkLocal, { using, hearsYou });
  }

  #becomeDirect(): void {
    this.#wasDirect = true;
    this.#resume('its probes are answered');
  }

  #resume(reason: string): void {
    this.#quiet = undefined;
    this.#probing.forgive();
    this.#remoteHasUsed = false;
    this.#enter('direct', reason);
  }

  /** The other end would leave it, does not send this way any more, or never has. */
  #agree(): void {
    if (!this.#remoteHasUsed && this.#phaseTicks < followTicks) return;
    if (!this.#dependencies.hasOtherWay()) return;
    const own = this.#offer;
    this.#enter('leaving', own?.reason ?? 'the other end has released it');
    this.#isFollowing = own === undefined;
  }

  /** The other end needs it, or this one does. */
  #endOffer({ reason, isBinding }: ReleaseOffer): void {
    if (isBinding) this.#enter('leaving', reason);
    this.#offer = undefined;
    this.#quiet = undefined;
  }

  #die(): void {
    this.#enter('dormant', 'its probes are not answered any more');
  }

  #enter(phase: PeerPhase, reason: string): void {
    const before = this.#phase;
    this.#isFollowing = false;
    this.#offer = undefined;
    this.#listening = undefined;
    this.#phase = phase;
    this.#reason = reason;
    this.#phaseTicks = 0;
    this.#sinceMs = this.#dependencies.clock.monotonicMs();
    // The other end hears at once what this one does, not with the next probe.
    this.#probing.hasten();
    this.#dependencies.onChange(this, before);
  }
}
