import type { DirectPath, DirectState } from '../../api/direct-messages.ts';
import { memberLinkLocal } from '../../core/addressing.ts';
import { type Quiet, watchTraffic } from '../../core/direct-liveness.ts';
import type { PlannedPeer } from '../../core/direct-plan.ts';
import {
  candidateOf,
  directTickMs,
  nextStep,
  startTrial,
  type Trial,
  tickTrial,
  triedCandidates,
} from '../../core/direct-trial.ts';
import type { Address } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Ask } from '../../paths/probe-message.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { DirectObservation } from '../member-host.ts';
import type { TrustedPeer } from './introduction-check.ts';
import type { RememberedPeer } from './peer-files.ts';
import { PeerProbing } from './peer-probing.ts';

/**
 * - `trying`: one candidate after the other; ends in `direct` with the first answer, else in `failed`
 *   or, for a path that was there before, in `dormant`.
 * - `direct`: the kernel sends by it. Ends in `dormant` when it dies, in `leaving` when it is idle.
 * - `leaving`: the kernel sends by a master again, and what the other end still sends this way is
 *   taken. Ends in `gone`.
 * - `dormant`: died. Nothing is sent, but the other end is heard when it comes back: with every master
 *   down nobody else could bring the two together again. Ends when it is heard, or introduced anew.
 * - `failed`: the host knows nothing of it; it is only told for a while.
 * - `gone`: withdrawn, released or expired; it is held no more.
 */
export type PeerPhase = 'trying' | 'direct' | 'leaving' | 'dormant' | 'failed' | 'gone';

export interface DirectPeerDependencies {
  readonly clock: Clock;
  /** @returns what the answer will repeat */
  readonly ask: (to: Address, flags: Pick<Ask, 'using' | 'hearsYou'>) => number;
  /** The phase has changed, or what the host is to have of it. */
  readonly onChange: (peer: DirectPeer, before: PeerPhase) => void;
}

/** While nothing is sent by it any more, what the other end has sent may still be on its way. */
const leavingTicks = 5_000 / directTickMs;
/** The two ends find a path alive within a round trip; one that does not follow has begun anew, or does not want to. */
const followTicks = 2_000 / directTickMs;
const failureShownMs = 60_000;

/** One other member, from its introduction to its end. `DirectPaths` moves it on, tick by tick. */
export class DirectPeer {
  readonly publicKey: WireguardPublicKey;
  readonly #dependencies: DirectPeerDependencies;
  readonly #probing: PeerProbing;
  #trusted: TrustedPeer;
  #phase: PeerPhase = 'gone';
  #reason = '';
  /** By the monotonic clock. */
  #sinceMs = 0;
  #phaseTicks = 0;
  #trial: Trial = startTrial([], false);
  #isStepOver = false;
  #stepSinceMs = 0;
  #isHeardInStep = false;
  #endpoint: string | undefined;
  #installation = 0;
  #wasDirect: boolean;
  /** It is left on the other end's word alone, which that takes back when it was said in a restart. */
  #isFollowing = false;
  #remoteHasUsed = false;
  #quiet: Quiet | undefined;
  #lastEndpoint: string | undefined;

  /** @param remembered whether there was a path to it before this daemon was started */
  constructor(trusted: TrustedPeer, remembered: boolean, dependencies: DirectPeerDependencies) {
    this.publicKey = trusted.publicKey;
    this.#trusted = trusted;
    this.#wasDirect = remembered;
    this.#dependencies = dependencies;
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

  /** A candidate has had its time: `endStep` is waited for. */
  get isStepOver(): boolean {
    return this.#phase === 'trying' && this.#isStepOver;
  }

  /** It failed, and that has been told for long enough. */
  get isForgettable(): boolean {
    return this.#phase === 'failed' && !this.#wasDirect && this.#state === undefined;
  }

  /** Starts a search, whatever there was before. A path that is in use or only half left stays. */
  introduce(trusted: TrustedPeer, candidates: readonly string[], isFirst: boolean): void {
    if (this.#phase === 'direct' || this.#phase === 'leaving') this.renew(trusted);
    else this.#trusted = trusted;
    if (this.#phase === 'leaving') this.#resume('introduced again');
    if (
      this.#phase === 'direct' ||
      (this.#phase === 'trying' && !this.#isWorthNewTrial(candidates))
    )
      return;
    this.#installation += 1;
    this.#begin(startTrial(candidates, isFirst), 'introduced');
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

  /** The host cannot have it. */
  fail(reason: string): void {
    this.#enter('failed', reason);
  }

  tick(): void {
    this.#phaseTicks += 1;
    this.#probing.tick(this.#mayAsk);
    if (this.#phase === 'trying') this.#tickTrial();
    if (this.#phase === 'direct' && this.#probing.isDead) this.#die();
    if (this.#phase === 'leaving' && this.#phaseTicks >= leavingTicks) this.remove('released');
  }

  /** @param handshakeAtMs by whole seconds, see `isStepOver` */
  endStep(handshakeAtMs: number | undefined): void {
    const sinceMs = Math.floor(this.#stepSinceMs / 1_000) * 1_000;
    const hasHandshake = handshakeAtMs !== undefined && handshakeAtMs >= sinceMs;
    const next = nextStep(this.#trial, this.#isHeardInStep || hasHandshake);
    if (next === undefined) {
      this.#enter(this.#wasDirect ? 'dormant' : 'failed', 'nothing came back');
      return;
    }
    const isOther = next.step !== this.#trial.step;
    // A peer to which nothing was sent yet can be given an endpoint as it is.
    if (isOther && this.#trial.step >= 0) this.#installation += 1;
    this.#startStep(next);
    if (isOther) this.#dependencies.onChange(this, this.#phase);
  }

  /** @returns whether it is to be answered */
  onAsk({ using }: Pick<Ask, 'using'>): boolean {
    if (!this.#isInstalled) return false;
    this.#probing.onAsk();
    if (this.#phase === 'dormant') this.#begin(startTrial([], false), 'heard again');
    this.#isHeardInStep = true;
    if (this.#phase === 'direct' && !using) this.#follow();
    else if (this.#isFollowing && using) this.#resume('the other end uses it again');
    this.#remoteHasUsed ||= using;
    return true;
  }

  onAnswer(sequence: number): void {
    if (!this.#isInstalled) return;
    this.#probing.onAnswer(sequence);
    if (this.#phase === 'trying') this.#becomeDirect();
  }

  /** Takes in what WireGuard says of it. A path that nothing passes is given up. */
  look({ endpoint, receivedBytes, sentBytes }: DirectObservation): void {
    if (this.#phase !== 'direct') return;
    this.#lastEndpoint = endpoint ?? this.#lastEndpoint;
    const payloadBytes = receivedBytes + sentBytes - this.#probing.bytes;
    const nowMs = this.#dependencies.clock.monotonicMs();
    const { quiet, isIdle } = watchTraffic(this.#quiet, payloadBytes, nowMs);
    this.#quiet = quiet;
    if (isIdle) this.#enter('leaving', 'nothing passed for a minute');
  }

  /** What the host is to have of it; undefined for nothing. */
  get planned(): PlannedPeer | undefined {
    if (!this.#isInstalled) return undefined;
    const { publicKey, ipv4, ipv6 } = this.#trusted;
    const endpoint = this.#endpoint;
    const isSearching = this.#phase === 'trying' && candidateOf(this.#trial) !== undefined;
    return {
      publicKey,
      ...(endpoint === undefined ? {} : { endpoint }),
      isKeptAlive: isSearching || this.#phase === 'direct' || this.#phase === 'leaving',
      member: { ipv4, ipv6 },
      isRouted: this.#phase === 'direct',
      installation: this.#installation,
    };
  }

  /** What is to be known of it after a restart; undefined for nothing. */
  get remembered(): RememberedPeer | undefined {
    if (!this.#wasDirect || this.#phase === 'gone') return undefined;
    const { name, chain, ipv4, ipv6 } = this.#trusted;
    const endpoint = this.#lastEndpoint ?? this.#endpoint;
    return { name, chain: [...chain], ipv4, ipv6, ...(endpoint === undefined ? {} : { endpoint }) };
  }

  /** For people and masters; undefined for what is told no more. */
  describe(seen: DirectObservation | undefined): DirectPath | undefined {
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
      state,
      reason: this.#reason,
      ageMs: Math.max(0, this.ageMs),
      tried: [...triedCandidates(this.#trial)],
      ...(endpoint === undefined || state === 'failed' ? {} : { endpoint }),
      ...(roundTripMs === undefined || state !== 'direct' ? {} : { roundTripMs }),
      ...(handshakeAgeMs === undefined ? {} : { handshakeAgeMs: Math.max(0, handshakeAgeMs) }),
    };
  }

  get #state(): DirectState | undefined {
    if (this.#phase === 'trying' || this.#phase === 'direct') return this.#phase;
    const hasFailed = this.#phase === 'failed' || this.#phase === 'dormant';
    return hasFailed && this.ageMs < failureShownMs ? 'failed' : undefined;
  }

  get #isInstalled(): boolean {
    return this.#phase !== 'failed' && this.#phase !== 'gone';
  }

  /** Not for what is being tried, nor in the moment in which it succeeds. */
  #isWorthNewTrial(candidates: readonly string[]): boolean {
    const isSame = candidates.join() === this.#trial.candidates.join();
    return !isSame && !this.#isHeardInStep;
  }

  #begin(trial: Trial, reason: string): void {
    this.#probing.begin();
    this.#startStep(trial);
    this.#enter('trying', reason);
  }

  #startStep(trial: Trial): void {
    this.#trial = trial;
    this.#isStepOver = false;
    this.#isHeardInStep = false;
    this.#stepSinceMs = this.#dependencies.clock.nowMs();
    this.#probing.hasten();
    // Without one, WireGuard keeps to the endpoint where it hears the other end.
    this.#endpoint = candidateOf(trial);
  }

  #tickTrial(): void {
    if (this.#isStepOver) return;
    const { trial, isOver } = tickTrial(this.#trial);
    this.#trial = trial;
    this.#isStepOver = isOver;
  }

  /** Before there is an endpoint, a packet would only keep WireGuard from sending a handshake when there is one. */
  get #mayAsk(): boolean {
    if (this.#phase === 'direct' || this.#phase === 'leaving') return true;
    if (this.#phase !== 'trying') return false;
    return this.#isHeardInStep || candidateOf(this.#trial) !== undefined;
  }

  #ask(): number {
    const using = this.#phase === 'direct';
    const hearsYou = using || this.#isHeardInStep;
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

  /** The other end does not send this way any more, or never has. */
  #follow(): void {
    if (!this.#remoteHasUsed && this.#phaseTicks < followTicks) return;
    this.#enter('leaving', 'the other end has released it');
    this.#isFollowing = true;
  }

  #die(): void {
    this.#enter('dormant', 'its probes are not answered any more');
  }

  #enter(phase: PeerPhase, reason: string): void {
    const before = this.#phase;
    this.#isFollowing = false;
    this.#phase = phase;
    this.#reason = reason;
    this.#phaseTicks = 0;
    this.#sinceMs = this.#dependencies.clock.monotonicMs();
    // The other end hears at once what this one does, not with the next probe.
    this.#probing.hasten();
    this.#dependencies.onChange(this, before);
  }
}
