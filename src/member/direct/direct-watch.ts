import { candidateSchema } from '../../api/direct-messages.ts';
import { directTickMs } from '../../core/direct-trial.ts';
import { describeError } from '../../model/error.ts';
import type { Address } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Ask } from '../../paths/probe-message.ts';
import { aborted } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { DirectObservation, MemberHost } from '../member-host.ts';
import { DirectProbes } from './direct-probes.ts';
import type { PeerTable } from './peer-table.ts';
import type { Rendezvous } from './rendezvous.ts';

export interface DirectWatchOptions {
  readonly interfaceName: string;
  /** The member's own address. */
  readonly ipv6: Address;
  readonly peers: PeerTable;
  readonly rendezvous: Rendezvous;
}

export interface DirectWatchDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Promise<MemberHost>;
  /** A master has seen the interface for long enough. */
  readonly onRendezvousOver: () => void;
}

/** An interface that is made anew is listened on so soon. */
const followEveryTicks = 250 / directTickMs;
const lookEveryTicks = 10_000 / directTickMs;
/** While no path is tried or in use there are only ends to be noticed: of certificates and rendezvous. */
const restMs = 1_000;

/** Moves the peers of one membership on with the time, and lets them hear what comes from the others. */
export class DirectWatch {
  readonly #options: DirectWatchOptions;
  readonly #dependencies: DirectWatchDependencies;
  #probes: DirectProbes | undefined;
  #ticks = 0;
  #looking: Promise<void> | undefined;
  #rest = new AbortController();

  constructor(options: DirectWatchOptions, dependencies: DirectWatchDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** @returns what the answer will repeat */
  ask(to: Address, flags: Pick<Ask, 'using' | 'hearsYou'>): number {
    return this.#probes?.ask(to, flags) ?? 0;
  }

  /** There is something to be looked after, perhaps. */
  wake(): void {
    this.#rest.abort();
  }

  /** Looks after the peers until the signal is aborted. @throws its reason */
  async run(signal: AbortSignal): Promise<void> {
    const { peers } = this.#options;
    const { clock, host } = this.#dependencies;
    const probes = new DirectProbes(this.#options, await host, {
      onAsk: (from, ask) => peers.at(from)?.onAsk(ask) ?? false,
      onAnswer: (from, sequence) => peers.at(from)?.onAnswer(sequence),
    });
    this.#probes = probes;
    try {
      for (;;) {
        const wasBusy = peers.isBusy;
        if (wasBusy) await clock.sleep(directTickMs, signal);
        else await this.#untilWoken(signal);
        signal.throwIfAborted();
        // What has just begun has not lasted for a tick yet.
        if (wasBusy || !peers.isBusy) this.#tick();
      }
    } finally {
      this.#probes = undefined;
      probes.close();
    }
  }

  /** What WireGuard says of the peers; empty when it does not answer: then nothing speaks for any of them. */
  async observe(): Promise<ReadonlyMap<WireguardPublicKey, DirectObservation>> {
    const host = await this.#dependencies.host;
    try {
      const seen = await host.observePeers(this.#options.interfaceName);
      return new Map(seen.map((peer) => [peer.publicKey, withUsableEndpoint(peer)]));
    } catch (error) {
      const reason = describeError(error);
      this.#dependencies.log.debug({ reason }, 'direct peers cannot be looked at');
      return new Map();
    }
  }

  /** Has the peers take in what WireGuard says of them. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** As `look`, with what WireGuard says after this call: a look that has begun before may not know it. */
  async lookAnew(): Promise<void> {
    await this.#looking;
    await this.look();
  }

  async #look(): Promise<void> {
    const seen = await this.observe();
    for (const peer of this.#options.peers.all) {
      const observation = seen.get(peer.publicKey);
      if (observation) peer.look(observation);
      if (peer.isStepOver) peer.endStep(observation);
    }
  }

  async #untilWoken(signal: AbortSignal): Promise<void> {
    const { peers, rendezvous } = this.#options;
    this.#rest = new AbortController();
    const woken = AbortSignal.any([signal, this.#rest.signal]);
    const hasEnds = peers.size > 0 || rendezvous.peers.length > 0;
    if (hasEnds) await this.#dependencies.clock.sleep(restMs, woken).catch(() => undefined);
    else await aborted(woken);
  }

  /** Ticks that were missed, because the process was stopped, are not made up for. */
  #tick(): void {
    const { peers, rendezvous } = this.#options;
    const { clock, onRendezvousOver } = this.#dependencies;
    this.#ticks += 1;
    if (this.#ticks % followEveryTicks === 0 || !peers.isBusy) this.#probes?.follow();
    for (const peer of peers.all) {
      if (peer.trusted.endsAtMs <= clock.nowMs()) peer.remove('its certificate has ended');
      else if (peer.isForgettable) peers.delete(peer.publicKey);
      else peer.tick();
    }
    const isStepOver = peers.all.some((peer) => peer.isStepOver);
    if (isStepOver || this.#ticks % lookEveryTicks === 0) void this.look();
    if (rendezvous.expire(clock.monotonicMs())) onRendezvousOver();
  }
}

/** An endpoint on one link of this machine only is no word for anybody else. */
function withUsableEndpoint({ endpoint, ...seen }: DirectObservation): DirectObservation {
  const isUsable = candidateSchema.safeParse(endpoint).success;
  return endpoint !== undefined && isUsable ? { ...seen, endpoint } : seen;
}
