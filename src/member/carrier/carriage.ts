import { describeError } from '../../model/error.ts';
import type { MasterName } from '../../model/names.ts';
import { Backoff } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { OpenCarrier } from './open-carrier.ts';

/** The tunnel to one master, as far as it matters how its packets get there. */
export interface CarriedTunnel {
  readonly master: MasterName;
  /** Whether it carries packets now. */
  isAlive(): boolean;
  /** Whether the tunnel to another master is known to carry packets over UDP: then nobody blocks it. */
  udpWorksElsewhere(): boolean;
  /** Resolves when any of that may have changed. @throws the signal's reason */
  nextChange(signal: AbortSignal): Promise<void>;
  /** Opens a carrier to the master. @throws MemberError, or what the WebSocket says */
  open(signal: AbortSignal): Promise<OpenCarrier>;
  /**
   * Gives the tunnel its other end; resolves when WireGuard has it.
   * @param endpoint of a carrier; undefined for the master's own, over UDP
   */
  use(endpoint: string | undefined): Promise<void>;
  /** Whether the other end answers a probe that is sent now, in time. */
  answersWithin(limitMs: number, signal: AbortSignal): Promise<boolean>;
}

export interface CarriageDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to below 1. */
  readonly random: () => number;
}

/** Above what a master takes to restart, below what people take for broken. */
const silentMs = 3_000;
/** As long as two handshakes take. */
const uselessMs = 12_000;
/** Below the half second after which a tunnel without answers counts as dead. */
const trialMs = 400;
const lookEveryMs = 500;
/** A master that comes back takes UDP within this time: WireGuard repeats a handshake after 5 s. */
const comebackMs = 8_000;
/** A master that takes neither UDP nor a carrier is most likely away. */
const openBackoff = { minMs: 2_000, maxMs: 60_000 };
/** A trial costs what is sent during it, if UDP is still blocked. */
const trialBackoff = { minMs: 15_000, maxMs: 600_000 };

/**
 * How the packets of one tunnel get to its master: in UDP, as long as that works; else, while the
 * master can be reached by HTTPS, inside a WebSocket to it.
 *
 *     UDP ── silent for 3 s, with every master, and a carrier opens ──► carried
 *      ▲                                                                 │
 *      └── UDP answers a probe, the carrier ends, ───────────────────────┘
 *          or the tunnel is dead by it as well
 *
 * A master that is dead is none that UDP is blocked to: its members, who have others, leave it alone.
 */
export class Carriage {
  readonly #tunnel: CarriedTunnel;
  readonly #dependencies: CarriageDependencies;

  constructor(tunnel: CarriedTunnel, dependencies: CarriageDependencies) {
    this.#tunnel = tunnel;
    this.#dependencies = dependencies;
  }

  /** Runs until the signal is aborted. @throws its reason */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#dependencies;
    const backoff = new Backoff(openBackoff, random);
    let wasAway = false;
    for (;;) {
      await this.#untilSilent(wasAway ? comebackMs : silentMs, signal);
      wasAway = !(await this.#carry(signal));
      if (wasAway) await clock.sleep(backoff.nextDelayMs(), signal);
      else backoff.reset();
    }
  }

  /** Resolves when nothing has come over UDP for so long, from this master or another. */
  async #untilSilent(durationMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#dependencies;
    let silentSinceMs: number | undefined;
    for (;;) {
      if (this.#tunnel.isAlive() || this.#tunnel.udpWorksElsewhere()) {
        silentSinceMs = undefined;
        await this.#tunnel.nextChange(signal);
        continue;
      }
      silentSinceMs ??= clock.monotonicMs();
      if (clock.monotonicMs() - silentSinceMs >= durationMs) return;
      await clock.sleep(lookEveryMs, signal);
    }
  }

  /** @returns whether packets went this way */
  async #carry(signal: AbortSignal): Promise<boolean> {
    using carrier = await this.#open(signal);
    if (!carrier) return false;
    await this.#use(carrier.endpoint, signal);
    const outcome = await this.#untilOver(carrier, signal);
    if (outcome !== 'udp-works') await this.#use(undefined, signal);
    const { master } = this.#tunnel;
    this.#dependencies.log.info({ master, outcome }, 'packets go over UDP again');
    return outcome !== 'useless';
  }

  /** Undefined when the master cannot be reached, or does not take it. */
  async #open(signal: AbortSignal): Promise<OpenCarrier | undefined> {
    try {
      return await this.#tunnel.open(signal);
    } catch (error) {
      signal.throwIfAborted();
      const fields = { master: this.#tunnel.master, reason: describeError(error) };
      this.#dependencies.log.debug(fields, 'packets cannot go over HTTPS either');
      return undefined;
    }
  }

  /** A host that refuses is asked for the same again with the next change of anything. */
  async #use(endpoint: string | undefined, signal: AbortSignal): Promise<void> {
    try {
      await this.#tunnel.use(endpoint);
    } catch (error) {
      signal.throwIfAborted();
      this.#dependencies.log.error({ master: this.#tunnel.master, err: error }, 'tunnel not moved');
    }
  }

  async #untilOver(
    carrier: OpenCarrier,
    signal: AbortSignal,
  ): Promise<'udp-works' | 'closed' | 'useless'> {
    const { clock, log, random } = this.#dependencies;
    const trials = new Backoff(trialBackoff, random);
    let deadSinceMs: number | undefined = clock.monotonicMs();
    let trialAtMs: number | undefined;
    let triedAtMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const nowMs = clock.monotonicMs();
      if (!carrier.isOpen) return 'closed';
      if (this.#tunnel.isAlive()) {
        if (trialAtMs === undefined) {
          log.warn({ master: this.#tunnel.master }, 'UDP does not get through: HTTPS carries it');
        }
        deadSinceMs = undefined;
        trialAtMs ??= nowMs + trials.nextDelayMs();
      } else {
        deadSinceMs ??= nowMs;
        if (nowMs - deadSinceMs >= uselessMs) return 'useless';
      }
      if (trialAtMs !== undefined && this.#tunnel.udpWorksElsewhere()) {
        trialAtMs = Math.min(trialAtMs, triedAtMs + trialBackoff.minMs);
      }
      if (trialAtMs !== undefined && nowMs >= trialAtMs) {
        if (await this.#udpWorks(carrier, signal)) return 'udp-works';
        triedAtMs = clock.monotonicMs();
        trialAtMs = triedAtMs + trials.nextDelayMs();
      }
      await Promise.race([carrier.closed, clock.sleep(lookEveryMs, signal)]);
    }
  }

  /**
   * The carrier stays open meanwhile, for what the master still sends by it; that is kept back, because
   * WireGuard would follow it and send the probe by the carrier.
   */
  async #udpWorks(carrier: OpenCarrier, signal: AbortSignal): Promise<boolean> {
    carrier.hold();
    await this.#use(undefined, signal);
    const works = await this.#tunnel.answersWithin(trialMs, signal);
    if (!works) await this.#use(carrier.endpoint, signal);
    const isFollowed = carrier.release();
    if (!works) return false;
    // Whatever comes by the carrier from now on is too late.
    carrier.hold();
    if (isFollowed) await this.#use(undefined, signal);
    return true;
  }
}
