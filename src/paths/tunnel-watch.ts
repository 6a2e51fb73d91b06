import {
  freshLiveness,
  type Liveness,
  type LivenessSettings,
  type PathObservation,
  watchPath,
} from '../core/path-liveness.ts';
import type { Address } from '../model/prefix.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { LinkAddresses } from './link-addresses.ts';
import type { PathStatus, WatchedPath } from './path-monitor.ts';
import type { ProbeMessage, Stray } from './probe-message.ts';
import { ProbeSocket } from './probe-socket.ts';
import type { TunnelCounters } from './tunnel-counters.ts';

export interface TunnelWatchDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to below 1. */
  readonly random: () => number;
  readonly nextSequence: () => number;
  readonly onStrays: (strays: readonly Stray[]) => void;
}

/** All liveness is counted in these. */
export const tickMs = 100;

/** Half a second: well above what a busy process or a lost probe takes, below what people notice. */
const deadAfterTicks = 5;
/** More than an answered probe makes, so that no probe leads to the next. */
const busyTicks = 3;
/** A second. */
const deadProbeTicks = 10;
const aliveAfterTicks = 3;

/** What is known of one tunnel. `PathMonitor` moves it on. */
export class TunnelWatch {
  readonly #dependencies: TunnelWatchDependencies;
  readonly #socket: ProbeSocket;
  #path: WatchedPath;
  #liveness: Liveness = freshLiveness;
  #sinceMs: number;
  #idleProbeTicks: number;
  #counters: TunnelCounters | undefined;
  #remoteIsDeaf = false;
  #isProven = false;
  /** Of the last ask. */
  #sequence = 0;
  #askedAtMs: number | undefined;
  #ticksSinceAsk = 0;
  /** Since the last tick. */
  #hasAsked = false;
  #roundTripMs: number | undefined;
  /** Who waits for the answer to the last ask. */
  readonly #awaiting = new Set<() => void>();

  constructor(path: WatchedPath, dependencies: TunnelWatchDependencies) {
    this.#path = path;
    this.#dependencies = dependencies;
    this.#sinceMs = dependencies.clock.nowMs();
    this.#idleProbeTicks = this.#jitteredProbeTicks();
    this.#socket = new ProbeSocket(
      { interfaceName: path.interfaceName, address: path.ownLinkLocal },
      { log: dependencies.log, onMessage: (message, from) => this.#receive(message, from) },
    );
  }

  get interfaceName(): string {
    return this.#path.interfaceName;
  }

  get isAlive(): boolean {
    return this.#liveness.isAlive;
  }

  status(): PathStatus {
    const isProven = this.#isProven || !this.isAlive;
    const status = { isAlive: this.isAlive, sinceMs: this.#sinceMs, isProven };
    return this.#roundTripMs === undefined ? status : { ...status, roundTripMs: this.#roundTripMs };
  }

  /** Takes over what may change of a path. @returns false when it is another tunnel */
  adopt(path: WatchedPath): boolean {
    const before = this.#path;
    if (path.ownLinkLocal !== before.ownLinkLocal) return false;
    if (path.remoteLinkLocal !== before.remoteLinkLocal) return false;
    this.#path = path;
    if (path.idleProbeMs !== before.idleProbeMs) this.#idleProbeTicks = this.#jitteredProbeTicks();
    if (path.using !== before.using) this.#ask();
    return true;
  }

  /** Asks now. Resolves when that is answered, or whatever is asked after it; may never. */
  probe(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ask();
    this.#awaiting.add(resolve);
    return promise;
  }

  follow(addresses: LinkAddresses): void {
    this.#socket.follow(addresses);
  }

  send(message: ProbeMessage): boolean {
    return this.#socket.send(message, this.#path.remoteLinkLocal);
  }

  close(): void {
    this.#socket.close();
  }

  /** @param counters undefined when there is no such interface @returns whether it died or came back */
  tick(counters: TunnelCounters | undefined): boolean {
    const wasAlive = this.#liveness.isAlive;
    const seen = this.#observe(counters);
    const { liveness, probe } = watchPath(this.#liveness, seen, this.#settings());
    this.#isProven ||= seen.received && !seen.remoteIsDeaf;
    // What was taken away carries nothing, whatever was heard before.
    const isGone = counters === undefined && this.#counters !== undefined;
    this.#liveness = isGone ? { ...liveness, isAlive: false, heardTicks: 0 } : liveness;
    this.#counters = counters;
    this.#hasAsked = false;
    this.#ticksSinceAsk += 1;
    if (probe || this.#isUseToBeTold()) this.#ask();
    if (this.#liveness.isAlive === wasAlive) return false;
    this.#sinceMs = this.#dependencies.clock.nowMs();
    return true;
  }

  #observe(counters: TunnelCounters | undefined): PathObservation {
    const remoteIsDeaf = this.#remoteIsDeaf;
    const before = this.#counters;
    if (!counters) return { received: false, sent: true, remoteIsDeaf };
    if (!before) return { received: false, sent: this.#hasAsked, remoteIsDeaf };
    // Less than before are those of an interface that was made anew.
    return {
      received: counters.receivedPackets > before.receivedPackets,
      sent: this.#hasAsked || counters.sentPackets > before.sentPackets,
      remoteIsDeaf,
    };
  }

  #settings(): LivenessSettings {
    return {
      deadAfterTicks,
      busyTicks,
      deadProbeTicks,
      aliveAfterTicks,
      idleProbeTicks: this.#idleProbeTicks,
    };
  }

  /** A busy tunnel needs no probe, but its other end has to know that it is the one in use. */
  #isUseToBeTold(): boolean {
    return this.#path.using && this.#ticksSinceAsk >= this.#idleProbeTicks;
  }

  #ask(): void {
    const { using } = this.#path;
    const hearsYou = this.#liveness.quietTicks < deadAfterTicks;
    this.#sequence = this.#dependencies.nextSequence();
    this.send({ kind: 'ask', sequence: this.#sequence, using, hearsYou });
    this.#askedAtMs = this.#dependencies.clock.monotonicMs();
    this.#hasAsked = true;
    this.#ticksSinceAsk = 0;
    this.#idleProbeTicks = this.#jitteredProbeTicks();
  }

  #receive(message: ProbeMessage, from: Address): void {
    if (from !== this.#path.remoteLinkLocal) return;
    switch (message.kind) {
      case 'strays':
        this.#dependencies.onStrays(message.strays);
        return;
      case 'ask':
        this.#remoteIsDeaf = !message.hearsYou;
        this.send({ kind: 'answer', sequence: message.sequence });
        return;
      case 'answer':
        // Who answers has heard.
        this.#remoteIsDeaf = false;
        this.#measure(message.sequence);
    }
  }

  #measure(sequence: number): void {
    if (sequence !== this.#sequence || this.#askedAtMs === undefined) return;
    this.#roundTripMs = this.#dependencies.clock.monotonicMs() - this.#askedAtMs;
    this.#askedAtMs = undefined;
    for (const resolve of this.#awaiting) resolve();
    this.#awaiting.clear();
  }

  /** Up to a fifth sooner, so that thousands of members do not ask in the same instant for ever. */
  #jitteredProbeTicks(): number {
    const ticks = this.#path.idleProbeMs / tickMs;
    return Math.max(1, Math.round(ticks * (1 - this.#dependencies.random() / 5)));
  }
}
