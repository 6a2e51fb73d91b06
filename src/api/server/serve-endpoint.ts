import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { InvalidInputError } from '../../model/error.ts';
import type { EndpointDefinition, ReplyOf, RequestOf } from '../endpoint-definition.ts';

/** What a handler answers: a document; or, once it is sure to succeed, a stream of them. */
export type HandlerResult<E extends EndpointDefinition> = Promise<
  ReplyOf<E> | AsyncIterable<ReplyOf<E>>
>;

export interface HandlerContext<Caller> {
  /** Who asks, as `authorise` found. */
  readonly caller: Caller;
  /** Aborted when the caller goes away. */
  readonly signal: AbortSignal;
}

export type EndpointHandler<E extends EndpointDefinition, Caller> = (
  request: RequestOf<E>,
  context: HandlerContext<Caller>,
) => HandlerResult<E>;

/** @throws HanseError when the caller may not use the endpoint */
export type Authorise<Caller> = (
  request: FastifyRequest,
  endpoint: EndpointDefinition,
) => Promise<Caller>;

/** Routes one endpoint to its handler. */
export function serveEndpoint<E extends EndpointDefinition, Caller>(
  app: FastifyInstance,
  endpoint: E,
  authorise: Authorise<Caller>,
  handler: EndpointHandler<E, Caller>,
): void {
  const callers = new WeakMap<FastifyRequest, Caller>();
  app.route({
    method: endpoint.method,
    url: endpoint.path,
    ...(endpoint.maxBodyBytes === undefined ? {} : { bodyLimit: endpoint.maxBodyBytes }),
    // Before anything of the body is read: nobody else can have memory taken for it.
    onRequest: async (request) => {
      callers.set(request, await authorise(request, endpoint));
    },
    handler: async (request, reply) => {
      const caller = callers.get(request) as Caller;
      const signal = goneSignal(reply);
      const result: unknown = await handler(parseRequest(endpoint, request), { caller, signal });
      if (!isStream(result)) return reply.send(result);
      return reply
        .type('application/x-ndjson')
        .send(Readable.from(lines(result), { objectMode: false }));
    },
  });
}

function parseRequest<E extends EndpointDefinition>(
  endpoint: E,
  request: FastifyRequest,
): RequestOf<E> {
  return {
    params: parsePart(endpoint.params, 'path', request.params),
    query: parsePart(endpoint.query, 'query', request.query),
    body: parsePart(endpoint.body, 'body', request.body ?? {}),
  } as RequestOf<E>;
}

function parsePart(schema: z.ZodType, part: string, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidInputError(
    `the ${part} of the request is not valid: ${z.prettifyError(result.error)}`,
    { part },
  );
}

function isStream(result: unknown): result is AsyncIterable<unknown> {
  return typeof result === 'object' && result !== null && Symbol.asyncIterator in result;
}

async function* lines(documents: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const document of documents) yield `${JSON.stringify(document)}\n`;
}

function goneSignal(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort(new Error('the caller went away')));
  return gone.signal;
}
