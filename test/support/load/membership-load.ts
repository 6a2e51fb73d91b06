import { setTimeout as delay } from 'node:timers/promises';
import type { OperatorClient } from '../../../src/api/client/operator-client.ts';
import { createInvite } from '../../../src/api/invite-endpoints.ts';
import { HanseError } from '../../../src/model/error.ts';
import { parseSubsetName } from '../../../src/model/names.ts';
import { evictMember } from './evict-member.ts';
import type { SeededRandom } from './seeded-random.ts';
import { untilDone } from './until-done.ts';

/** A join that a master has acknowledged. */
export interface AcknowledgedJoin {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** What clients were told is done. */
export interface AcknowledgedChanges {
  /** Ids of invites, each for one use. */
  readonly invited: ReadonlySet<string>;
  /** By name. */
  readonly joined: ReadonlyMap<string, AcknowledgedJoin>;
  /** Of those who joined. */
  readonly evicted: ReadonlySet<string>;
}

/** Between two things that one worker does: a few hundred changes a minute, no more. */
const paceMs = 150;
/** How many of those who join are put out again. */
const evictedShare = 0.4;

export interface MembershipLoadOptions {
  readonly subset: string;
  readonly operator: OperatorClient;
  readonly random: SeededRandom;
  /** Joins under the name, and asks again, with the same keys, until somebody has answered. */
  readonly join: (name: string, token: string) => Promise<AcknowledgedJoin>;
}

/**
 * Joins and evicts members, with one new single-use token each, and writes down what was
 * acknowledged. Whatever is not acknowledged is asked for again, as members and operators do.
 */
export class MembershipLoad implements AcknowledgedChanges {
  readonly invited = new Set<string>();
  readonly joined = new Map<string, AcknowledgedJoin>();
  readonly evicted = new Set<string>();
  readonly #options: MembershipLoadOptions;
  #serial = 0;
  #stopped = false;
  #workers: readonly Promise<void>[] = [];

  constructor(options: MembershipLoadOptions) {
    this.#options = options;
  }

  /** How many changes have been acknowledged. */
  get count(): number {
    return this.invited.size + this.joined.size + this.evicted.size;
  }

  start(workers: number): void {
    this.#workers = Array.from({ length: workers }, () => this.#work());
    // For `stop` to tell.
    for (const worker of this.#workers) worker.catch(() => undefined);
  }

  /** Resolves when everything that was begun has been acknowledged. @throws what no client should meet */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const token = await this.#invite();
      this.#serial += 1;
      const join = await this.#options.join(`${this.#options.subset}-load-${this.#serial}`, token);
      this.joined.set(join.name, join);
      if (this.#options.random.next() < evictedShare) {
        await this.#evict(join.name);
        this.evicted.add(join.name);
      }
      await delay(paceMs);
    }
  }

  async #invite(): Promise<string> {
    const { operator, subset } = this.#options;
    const input = { params: { subset: parseSubsetName(subset) }, body: { uses: 1 } };
    const { id, token } = await untilDone(() => operator.call(createInvite, input));
    this.invited.add(id);
    return token;
  }

  async #evict(name: string): Promise<void> {
    const { subset, operator } = this.#options;
    await untilDone(async () => {
      try {
        await evictMember(operator, { subset, name });
      } catch (error) {
        // It was done, and the answer was lost.
        if (error instanceof HanseError && error.code === 'not-active') return;
        throw error;
      }
    });
  }
}
