export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Lets through `perSecond` on average and `burst` at once; for rates that somebody else decides. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(options: Rate, nowMs: number) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
    this.#tokens = options.burst;
    this.#atMs = nowMs;
  }

  /** Whether one more may pass now. @param nowMs monotonic */
  take(nowMs: number): boolean {
    this.#tokens = Math.min(
      this.#burst,
      this.#tokens + ((nowMs - this.#atMs) / 1_000) * this.#perSecond,
    );
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

interface Buckets<Key> {
  get(key: Key): TokenBucket | undefined;
  set(key: Key, bucket: TokenBucket): unknown;
}

/** The bucket of one of several whose rates are limited each; made when it is the first time. */
export function bucketOf<Key>(
  buckets: Buckets<Key>,
  key: Key,
  rate: Rate,
  nowMs: number,
): TokenBucket {
  const bucket = buckets.get(key) ?? new TokenBucket(rate, nowMs);
  buckets.set(key, bucket);
  return bucket;
}
