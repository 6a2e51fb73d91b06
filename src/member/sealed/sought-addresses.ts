import { maxSought } from '../../api/direct-messages.ts';
import type { Address } from '../../model/prefix.ts';

interface Sought {
  readonly attempts: number;
  /** By the monotonic clock. */
  readonly dueMs: number;
  readonly seenMs: number;
}

const firstRetryMs = 500;
const longestRetryMs = 30_000;
/** Whoever has not been sent anything for so long is sought anew when somebody does. */
const forgottenMs = 15_000;

/** Addresses that packets are sent to and that no tunnel leads to yet: when to ask a master for each. */
export class SoughtAddresses {
  readonly #sought = new Map<Address, Sought>();

  get size(): number {
    return this.#sought.size;
  }

  /**
   * Those to be asked for now, out of all that packets are sent to; the others less and less often.
   * @returns no more than can be asked for at once: the rest is due in the next look
   */
  due(addresses: Iterable<Address>, nowMs: number): readonly Address[] {
    const due: Address[] = [];
    for (const address of addresses) {
      const known = this.#sought.get(address);
      const isDue = (known === undefined || known.dueMs <= nowMs) && due.length < maxSought;
      if (isDue) due.push(address);
      const attempts = (known?.attempts ?? 0) + (isDue ? 1 : 0);
      const dueMs = isDue ? nowMs + retryMs(attempts) : (known?.dueMs ?? nowMs);
      this.#sought.set(address, { attempts, dueMs, seenMs: nowMs });
    }
    for (const [address, { seenMs }] of this.#sought) {
      if (nowMs - seenMs > forgottenMs) this.#sought.delete(address);
    }
    return due;
  }

  /** A tunnel leads there. */
  found(addresses: readonly Address[]): void {
    for (const address of addresses) this.#sought.delete(address);
  }
}

function retryMs(attempts: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** (attempts - 1));
}
