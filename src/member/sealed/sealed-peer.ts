import type { GroupKeyView } from '../../api/messages.ts';
import type { SealedPeerFacts } from '../../core/sealed-plan.ts';
import type { PresharedKey, WireguardPublicKey } from '../../model/wireguard-key.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';
import type { TrustedPeer } from '../direct/introduction-check.ts';
import { isAging } from '../validity.ts';
import type { RememberedSealedPeer } from './remembered-peers.ts';

/** WireGuard drops handshakes that cross, and who calls before the other end is there waits for 5 s. */
const headStartMs = 250;
/** Two of WireGuard's attempts at a handshake (whitepaper §6.4). */
const callingMs = 10_000;
/** With packets to be sent, WireGuard makes another handshake after 120 s (whitepaper §6.1). */
const freshHandshakeMs = 140_000;
/** An attempt that nobody answers is made again after 5 s. */
const patienceMs = 3_000;

/**
 * The other end of a sealed tunnel. It is called, by keepalives, for a while after each introduction:
 * by whoever is first at once, by the other one when it has not been called itself. Then WireGuard
 * does what packets make it do.
 */
export class SealedPeer {
  readonly publicKey: WireguardPublicKey;
  #trusted: TrustedPeer;
  #port: number;
  /** By the monotonic clock. */
  #callsFromMs: number;
  #callsUntilMs: number;
  #introducedMs: number;
  #handshakeAtMs: number | undefined;
  #handshakeSeenMs: number;
  #presharedKey: { readonly of: GroupKeyView; readonly key: PresharedKey } | undefined;

  constructor(trusted: TrustedPeer, port: number, nowMs: number) {
    this.publicKey = trusted.publicKey;
    this.#trusted = trusted;
    this.#port = port;
    this.#introducedMs = nowMs;
    this.#callsFromMs = nowMs;
    this.#callsUntilMs = nowMs;
    this.#handshakeSeenMs = nowMs;
  }

  get trusted(): TrustedPeer {
    return this.#trusted;
  }

  /** Takes what a later introduction says. @returns whether anything is new that is to be kept */
  introduce(trusted: TrustedPeer, port: number, isFirst: boolean, nowMs: number): boolean {
    const { ipv4, ipv6, endsAtMs } = this.#trusted;
    const isElsewhere = trusted.ipv4 !== ipv4 || trusted.ipv6 !== ipv6;
    const isNew = port !== this.#port || isElsewhere || trusted.endsAtMs > endsAtMs;
    if (trusted.endsAtMs >= this.#trusted.endsAtMs) this.#trusted = trusted;
    this.#port = port;
    this.#introducedMs = nowMs;
    this.#callsFromMs = isFirst ? nowMs : nowMs + headStartMs;
    this.#callsUntilMs = this.#callsFromMs + callingMs;
    return isNew;
  }

  /** A younger certificate. @returns whether it is */
  renew(trusted: TrustedPeer): boolean {
    if (trusted.endsAtMs <= this.#trusted.endsAtMs) return false;
    this.#trusted = { ...this.#trusted, chain: trusted.chain, endsAtMs: trusted.endsAtMs };
    return true;
  }

  /** What WireGuard says. @param handshakeAtMs of the last one, by the wall clock */
  look(handshakeAtMs: number | undefined, nowMs: number): void {
    if (handshakeAtMs === undefined || handshakeAtMs === this.#handshakeAtMs) return;
    this.#handshakeAtMs = handshakeAtMs;
    this.#handshakeSeenMs = nowMs;
  }

  /** Whether a handshake has ever been seen: the other end has this one, and the way there works. */
  get isProven(): boolean {
    return this.#handshakeAtMs !== undefined;
  }

  /** Whether packets go by it, as far as handshakes show. */
  isInUse(nowMs: number): boolean {
    return this.isProven && nowMs - this.#handshakeSeenMs <= freshHandshakeMs;
  }

  isCalled(nowMs: number): boolean {
    return nowMs >= this.#callsFromMs && nowMs < this.#callsUntilMs;
  }

  /** Whether a master should bring the two together again although there is a tunnel, in which packets are sent. */
  isDoubtful(nowMs: number, wallMs: number): boolean {
    if (nowMs - this.#introducedMs < patienceMs) return false;
    return !this.isInUse(nowMs) || isAging(this.#trusted.chain, wallMs);
  }

  get remembered(): RememberedSealedPeer {
    const { name, subset, chain, ipv4, ipv6 } = this.#trusted;
    return { name, subset, chain: [...chain], ipv4, ipv6, sealedPort: this.#port };
  }

  facts(
    ownKey: WireguardPublicKey,
    key: GroupKeyView,
    nowMs: number,
  ): Omit<SealedPeerFacts, 'isUsed'> {
    const { publicKey } = this;
    const { ipv4, ipv6 } = this.#trusted;
    const presharedKey = this.#presharedKeyOf(ownKey, key);
    const isKeptAlive = this.isCalled(nowMs);
    return { publicKey, presharedKey, ipv4, ipv6, port: this.#port, isKeptAlive };
  }

  #presharedKeyOf(ownKey: WireguardPublicKey, { groupKey, epoch }: GroupKeyView): PresharedKey {
    const known = this.#presharedKey;
    if (known?.of.groupKey === groupKey && known.of.epoch === epoch) return known.key;
    const publicKeys = [ownKey, this.publicKey] as const;
    const key = derivePresharedKey({ groupKey, epoch, publicKeys });
    this.#presharedKey = { of: { groupKey, epoch }, key };
    return key;
  }
}
