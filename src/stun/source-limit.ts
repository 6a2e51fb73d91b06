import { createHash, randomBytes } from 'node:crypto';
import ipaddr from 'ipaddr.js';
import { TokenBucket } from '../runtime/token-bucket.ts';

/**
 * From one IPv4 address or IPv6 /64 network. A member asks a master about twenty times in a round, and a
 * hundred of them may share a NAT; a victim whose address is forged gets 20 KB a second, for as much.
 */
const sourceRate = { perSecond: 200, burst: 1_000 };
/** From everybody together: what a small part of one core can answer. */
const totalRate = { perSecond: 5_000, burst: 10_000 };
/** Sources that share a place share its rate, so that no number of forged ones takes more memory. */
const places = 4_096;

/** Limits what is answered, so that a server is worth nothing to whoever forges sources. */
export class SourceLimit {
  readonly #buckets: (TokenBucket | undefined)[] = new Array(places);
  readonly #total: TokenBucket;
  /** Nobody outside knows who shares a place with whom. */
  readonly #secret = randomBytes(16);

  /** @param nowMs monotonic */
  constructor(nowMs: number) {
    this.#total = new TokenBucket(totalRate, nowMs);
  }

  /** Whether one more packet of this source may be answered now. @param address numeric, without zone */
  admits(address: string, nowMs: number): boolean {
    const place = this.#placeOf(networkOf(address));
    const bucket = this.#buckets[place] ?? new TokenBucket(sourceRate, nowMs);
    this.#buckets[place] = bucket;
    return bucket.take(nowMs) && this.#total.take(nowMs);
  }

  #placeOf(network: Uint8Array): number {
    const digest = createHash('sha256').update(this.#secret).update(network).digest();
    return digest.readUInt16BE(0) % places;
  }
}

/** What one customer has: an IPv4 address or an IPv6 /64. */
function networkOf(address: string): Uint8Array {
  const parsed = ipaddr.process(address);
  const bytes = parsed.toByteArray();
  return Uint8Array.from(parsed.kind() === 'ipv4' ? bytes : bytes.slice(0, 8));
}
