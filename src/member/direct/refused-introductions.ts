import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';

/** A master that lies does so again and again. */
const logEveryMs = 60_000;

/** Counts introductions that were not to be trusted, and says so now and then. */
export class RefusedIntroductions {
  readonly #membership: string;
  readonly #dependencies: { readonly clock: Clock; readonly log: Log };
  #count = 0;
  #loggedAtMs: number | undefined;

  constructor(membership: string, dependencies: { readonly clock: Clock; readonly log: Log }) {
    this.#membership = membership;
    this.#dependencies = dependencies;
  }

  get count(): number {
    return this.#count;
  }

  /** @param reason may quote the master, and so is no text for `warn` */
  add(reason: string): void {
    const { clock, log } = this.#dependencies;
    this.#count += 1;
    log.debug({ membership: this.#membership, reason }, 'introduction refused');
    const nowMs = clock.monotonicMs();
    if (this.#loggedAtMs !== undefined && nowMs - this.#loggedAtMs < logEveryMs) return;
    this.#loggedAtMs = nowMs;
    const fields = { membership: this.#membership, refused: this.#count };
    log.warn(fields, 'introductions refused: a master sends what is not to be trusted');
  }
}
