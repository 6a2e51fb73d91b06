import type { OpenPair, Relay } from '../../host/relay/relay.ts';
import type { RelayedTraffic } from '../../host/relay/relayed-pair.ts';
import { hostOf } from '../../model/endpoint.ts';
import { describeError } from '../../model/error.ts';
import { parseAddress } from '../../model/prefix.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import { KeyedQueue } from '../../runtime/keyed-queue.ts';
import type { Log } from '../../runtime/log.ts';
import type { Directory } from '../directory/directory.ts';

export interface RelayedPairsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: Pick<Directory, 'keyingPhase'>;
  /** Called when the first pair is opened; absent where this master relays nothing. */
  readonly createRelay?: (() => Promise<Relay>) | undefined;
}

/** A member, by where a handshake of its direct interface has come from. */
export interface RelayedMember {
  readonly key: WireguardPublicKey;
  /** Numeric `address:port`. */
  readonly endpoint: string;
}

/** All that has passed since the master was started; pairs that are open now. */
export interface RelayFigures extends RelayedTraffic {
  readonly pairs: number;
}

interface Pair {
  readonly keys: readonly WireguardPublicKey[];
  traffic: RelayedTraffic;
  /** When something was last known to pass, by the monotonic clock. */
  passedMs: number;
  /** One of the two has left. */
  isOver: boolean;
}

/** A path that is in use is probed all the time. */
const idleMs = 180_000;
const nothing: RelayedTraffic = { packets: 0, bytes: 0 };

/**
 * The pairs of members whose datagrams this master passes on while it forwards nothing that it could
 * read. Without a relay they talk all the same, in tunnels that are sealed within those to masters: so
 * what fails here is said once and ends nothing.
 */
export class RelayedPairs implements AsyncDisposable {
  readonly #dependencies: RelayedPairsDependencies;
  readonly #pairs = new Map<string, Pair>();
  /** By pair: what is closed while it is being opened is open no more at the end. */
  readonly #changes = new KeyedQueue<string>();
  #relay: Promise<Relay> | undefined;
  #passed = nothing;
  #trouble = '';

  constructor(dependencies: RelayedPairsDependencies) {
    this.#dependencies = dependencies;
  }

  /** As of the last time that they were looked after. */
  get figures(): RelayFigures {
    return { pairs: this.#pairs.size, ...this.#passed };
  }

  /**
   * Resolves when datagrams can pass between the two. A pair that is open is opened anew, for where its
   * members are now.
   * @returns undefined when they have to do without
   */
  open(first: RelayedMember, second: RelayedMember): Promise<OpenPair | undefined> {
    const id = `${first.key} ${second.key}`;
    return this.#changes.run(id, () => this.#open(id, first, second));
  }

  /** The member has left: nothing passes to it or from it any more. */
  end(key: WireguardPublicKey): void {
    for (const [id, pair] of this.#pairs) {
      if (!pair.keys.includes(key)) continue;
      pair.isOver = true;
      void this.#close(id, pair);
    }
  }

  /** Closes what nobody has used for three minutes. To be called now and then. */
  async lookAfter(): Promise<void> {
    try {
      const traffic = await (await this.#relay)?.readTraffic();
      for (const [id, pair] of this.#pairs) {
        this.#count(pair, traffic?.get(id) ?? pair.traffic);
        const isIdle = this.#dependencies.clock.monotonicMs() - pair.passedMs >= idleMs;
        if (pair.isOver || isIdle) await this.#close(id, pair);
      }
    } catch (error) {
      this.#note(error);
    }
  }

  /** Leaves nothing on the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    const relay = await this.#relay?.catch(() => undefined);
    await relay?.[Symbol.asyncDispose]();
  }

  async #open(
    id: string,
    first: RelayedMember,
    second: RelayedMember,
  ): Promise<OpenPair | undefined> {
    const { clock, directory, createRelay } = this.#dependencies;
    if (!createRelay || directory.keyingPhase !== 'shared') return undefined;
    const keys = [first.key, second.key];
    const pair = { keys, traffic: nothing, passedMs: clock.monotonicMs(), isOver: false };
    const wasOpen = this.#pairs.has(id);
    this.#pairs.set(id, pair);
    try {
      const relay = await this.#make(createRelay);
      const ends = { first: { address: addressOf(first) }, second: { address: addressOf(second) } };
      const open = await relay.open({ id, ...ends });
      this.#trouble = '';
      return pair.isOver ? undefined : open;
    } catch (error) {
      // What may be left of the one before is closed at the next look.
      pair.isOver = true;
      if (!wasOpen) this.#pairs.delete(id);
      this.#note(error);
      return undefined;
    }
  }

  async #make(createRelay: () => Promise<Relay>): Promise<Relay> {
    this.#relay ??= createRelay();
    try {
      return await this.#relay;
    } catch (error) {
      this.#relay = undefined;
      throw error;
    }
  }

  #count(pair: Pair, { packets, bytes }: RelayedTraffic): void {
    const { traffic } = pair;
    if (packets === traffic.packets) return;
    pair.traffic = { packets, bytes };
    pair.passedMs = this.#dependencies.clock.monotonicMs();
    // Fewer than before: counted anew.
    const known = packets < traffic.packets ? nothing : traffic;
    this.#passed = {
      packets: this.#passed.packets + packets - known.packets,
      bytes: this.#passed.bytes + bytes - known.bytes,
    };
  }

  /** What could not be closed is tried again by `lookAfter`. */
  #close(id: string, pair: Pair): Promise<void> {
    return this.#changes.run(id, async () => {
      if (this.#pairs.get(id) !== pair) return;
      try {
        await (await this.#relay)?.close(id);
        this.#pairs.delete(id);
      } catch (error) {
        this.#note(error);
      }
    });
  }

  #note(error: unknown): void {
    const reason = describeError(error);
    if (reason === this.#trouble) return;
    this.#trouble = reason;
    this.#dependencies.log.warn({ reason }, 'cannot relay between two members');
  }
}

function addressOf({ endpoint }: RelayedMember) {
  return parseAddress(hostOf(endpoint));
}
