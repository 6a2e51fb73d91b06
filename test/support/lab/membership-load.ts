import { setTimeout as delay } from 'node:timers/promises';
import type { MasterMessage } from '../../../src/api/messages.ts';
import type { Endpoint } from '../../../src/model/endpoint.ts';
import { HanseError } from '../../../src/model/error.ts';
import { SessionNode } from '../session-client.ts';
import { until } from '../until.ts';
import type { LabOperator } from './lab-operator.ts';
import type { SeededRandom } from './seeded-random.ts';

/** A join that the master has acknowledged. */
export interface AcknowledgedJoin {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly token: string;
}

/** Between two things that one worker does: a few hundred changes a minute, no more. */
const paceMs = 150;
const retryMs = 50;
/** How many of those who join are put out again. */
const evictedShare = 0.4;

export interface MembershipLoadOptions {
  readonly subset: string;
  readonly endpoint: Endpoint;
  readonly operator: LabOperator;
  readonly random: SeededRandom;
}

/**
 * Joins and evicts members, with one new single-use token each, and writes down what was
 * acknowledged. Whatever is not acknowledged is asked for again, as members and operators do.
 */
export class MembershipLoad {
  readonly joined = new Map<string, AcknowledgedJoin>();
  readonly evicted = new Set<string>();
  readonly #options: MembershipLoadOptions;
  #serial = 0;
  #stopped = false;
  #workers: readonly Promise<void>[] = [];

  constructor(options: MembershipLoadOptions) {
    this.#options = options;
  }

  start(workers: number): void {
    this.#workers = Array.from({ length: workers }, () => this.#work());
  }

  /** Resolves when everything that was begun has been acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      const join = await this.#join();
      this.joined.set(join.name, join);
      if (this.#options.random.next() < evictedShare) {
        await this.#evict(join.name);
        this.evicted.add(join.name);
      }
      await delay(paceMs);
    }
  }

  async #join(): Promise<AcknowledgedJoin> {
    const { subset, operator, endpoint } = this.#options;
    this.#serial += 1;
    const node = new SessionNode(`${subset}-load-${this.#serial}`);
    const token = await untilDone(() => operator.invite(subset));
    const { name, ipv4, ipv6 } = await untilDone(async () => {
      await using session = await node.askToJoin(endpoint, token);
      const answer: MasterMessage = await until('an answer', () => {
        if (session.closed && session.messages.length === 0) throw new LostAnswerError();
        return session.messages[0];
      });
      if (answer.type === 'admitted') return answer.place;
      throw answer.type === 'refused' && answer.retryable
        ? new LostAnswerError()
        : new Error(`${node.name} was answered ${JSON.stringify(answer)}`);
    });
    return { name, ipv4, ipv6, token };
  }

  async #evict(name: string): Promise<void> {
    const { subset, operator } = this.#options;
    await untilDone(async () => {
      try {
        await operator.evict({ subset, name });
      } catch (error) {
        // It was done, and the answer was lost.
        if (error instanceof HanseError && error.code === 'not-active') return;
        throw error;
      }
    });
  }
}

/** The master was killed before its answer arrived. */
class LostAnswerError extends Error {}

/** Tries again for as long as a dead master may be the reason. */
async function untilDone<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isOutage(error)) throw error;
      await delay(retryMs);
    }
  }
}

function isOutage(error: unknown): boolean {
  if (error instanceof LostAnswerError) return true;
  if (error instanceof HanseError) return error.retryable;
  return error instanceof Error && 'code' in error;
}
