import type { PlannedPeer } from '../../core/direct-plan.ts';
import type { MasterName } from '../../model/names.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';

/** A master to whom the direct interface is to be shown. */
export interface RendezvousMaster {
  readonly name: MasterName;
  readonly publicKey: WireguardPublicKey;
  /** Numeric, with the rendezvous port. */
  readonly endpoint: string;
}

interface Meeting {
  readonly peer: PlannedPeer;
  readonly shownMs: number;
  readonly untilMs: number;
}

/** An introduction follows at once, or not at all. */
const lingerMs = 30_000;
/** WireGuard itself begins no second handshake sooner; one that is younger has been seen. */
const repeatAfterMs = 5_000;

/**
 * The masters that are peers of the direct interface for a while: WireGuard's own handshake shows
 * them where it sends from, behind whatever NAT. No packet of the VPN goes that way.
 */
export class Rendezvous {
  readonly #meetings = new Map<MasterName, Meeting>();
  #installations = 0;

  /** The master is shown the interface, once more when the last time is a while ago. */
  meet({ name, publicKey, endpoint }: RendezvousMaster, nowMs: number): void {
    const before = this.#meetings.get(name);
    const untilMs = nowMs + lingerMs;
    const isSame = before?.peer.endpoint === endpoint && before.peer.publicKey === publicKey;
    if (before && isSame && nowMs - before.shownMs < repeatAfterMs) {
      this.#meetings.set(name, { ...before, untilMs });
      return;
    }
    this.#installations += 1;
    const installation = this.#installations;
    const peer = { publicKey, endpoint, isKeptAlive: true, isRouted: false, installation };
    this.#meetings.set(name, { peer, shownMs: nowMs, untilMs });
  }

  /** The master has introduced somebody: it may want to know for a while where that leads. */
  prolong(name: MasterName, nowMs: number): void {
    const before = this.#meetings.get(name);
    if (before) this.#meetings.set(name, { ...before, untilMs: nowMs + lingerMs });
  }

  /** Drops those whose time is over. @returns whether there were any */
  expire(nowMs: number): boolean {
    const over = [...this.#meetings].filter(([, { untilMs }]) => untilMs <= nowMs);
    for (const [name] of over) this.#meetings.delete(name);
    return over.length > 0;
  }

  clear(): void {
    this.#meetings.clear();
  }

  get peers(): readonly PlannedPeer[] {
    return [...this.#meetings.values()].map(({ peer }) => peer);
  }
}
