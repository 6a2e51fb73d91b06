import { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { transferLimitMs, transferPath, transferType } from '../../api/transfer.ts';
import { type ByteBudget, fullPurse, type Purse, spend } from '../../core/measuring/byte-budget.ts';
import { transferBytes } from '../../core/measuring/probe-schedule.ts';
import { InvalidInputError } from '../../model/error.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import type { Clock } from '../../runtime/clock.ts';
import { TokenBucket } from '../../runtime/token-bucket.ts';
import type { OperatorAccess } from '../http/operator-access.ts';
import { MasterError } from '../master-error.ts';
import type { MeasuringMetrics } from '../observability/measuring-metrics.ts';

/** Of one member: what it needs in a day at the defaults is two transfers. */
const memberBudget: ByteBudget = { burstBytes: 8 * transferBytes, perDayBytes: 8 * transferBytes };
/** Members that are remembered; beyond that, whoever spent least recently is forgotten. */
const mostPurses = 10_000;
/** All members together: one Mbit/s and a half, half of it each way, on average. */
const totalRate = { perSecond: 3, burst: 30 };
const mostAtOnce = 8;

const zeroes = Buffer.alloc(transferBytes);

export interface TransfersDependencies {
  readonly access: Pick<OperatorAccess, 'require'>;
  readonly clock: Clock;
  readonly metrics: MeasuringMetrics;
}

/**
 * Sends and takes what shows members their bandwidth (`api/transfer.ts`): so many bytes and no more, to
 * members only, to each so often and no more.
 */
export class Transfers {
  readonly #dependencies: TransfersDependencies;
  readonly #purses = new Map<IdentityKey, Purse>();
  readonly #bucket: TokenBucket;
  #underWay = 0;

  constructor(dependencies: TransfersDependencies) {
    this.#dependencies = dependencies;
    this.#bucket = new TokenBucket(totalRate, dependencies.clock.monotonicMs());
  }

  addRoutes(app: FastifyInstance): void {
    // Taken as it comes, not into memory.
    app.addContentTypeParser(transferType, (_request, payload, done) => done(null, payload));
    app.get(transferPath, (request, reply) => this.#send(request, reply));
    app.post(transferPath, (request) => this.#receive(request));
  }

  async #send(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const over = await this.#begin(request);
    reply.raw.once('close', over);
    this.#dependencies.metrics.transferred('sent', transferBytes);
    return reply.type(transferType).send(zeroes);
  }

  /** @throws InvalidInputError when it is not of the one length */
  async #receive(request: FastifyRequest): Promise<{ readonly bytes: number }> {
    const over = await this.#begin(request);
    try {
      const bytes = await lengthOf(request.body);
      this.#dependencies.metrics.transferred('received', bytes);
      if (bytes !== transferBytes) throw wrongLength();
      return { bytes };
    } finally {
      over();
    }
  }

  /**
   * Who is not through in time is cut off.
   * @returns to be called when it is over; harmless when it was called before
   * @throws MasterError `not-permitted`, `busy`
   */
  async #begin(request: FastifyRequest): Promise<() => void> {
    const { access, clock } = this.#dependencies;
    const socket = request.raw.socket as TLSSocket;
    const { identityKey } = await access.require(socket, ['member']);
    this.#admit(identityKey, clock.monotonicMs());
    this.#underWay += 1;
    const done = new AbortController();
    const end = (): void => {
      if (done.signal.aborted) return;
      done.abort();
      this.#underWay -= 1;
    };
    clock.sleep(transferLimitMs, done.signal).then(
      () => {
        socket.destroy();
        // Who had gone before anybody listened for it is told by nothing else.
        end();
      },
      () => undefined,
    );
    return end;
  }

  /** @throws MasterError `busy` */
  #admit(member: IdentityKey, nowMs: number): void {
    const purse = this.#purses.get(member) ?? fullPurse(memberBudget, nowMs);
    const after = spend(purse, memberBudget, transferBytes, nowMs);
    if (!after) throw this.#refusal('budget', 'this member has had its transfers for now');
    if (this.#underWay >= mostAtOnce || !this.#bucket.take(nowMs)) {
      throw this.#refusal('busy', 'this master has too many transfers under way');
    }
    // Last in the map is who spent last.
    this.#purses.delete(member);
    this.#purses.set(member, after);
    const [first] = this.#purses.keys();
    if (this.#purses.size > mostPurses && first !== undefined) this.#purses.delete(first);
  }

  #refusal(reason: 'busy' | 'budget', message: string): MasterError {
    this.#dependencies.metrics.transferRefused(reason);
    return new MasterError(`${message}: try again later`, {
      code: 'busy',
      fields: { reason },
      retryable: true,
    });
  }
}

/** Reads to the end, or one byte too far. @throws InvalidInputError when there is nothing to read */
async function lengthOf(body: unknown): Promise<number> {
  if (!(body instanceof Readable)) throw wrongLength();
  let bytes = 0;
  for await (const chunk of body) {
    bytes += (chunk as Buffer).length;
    if (bytes > transferBytes) throw wrongLength();
  }
  return bytes;
}

function wrongLength(): InvalidInputError {
  return new InvalidInputError(`a transfer is ${transferBytes} bytes of ${transferType}`);
}
