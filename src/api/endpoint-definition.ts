import type { z } from 'zod';

/**
 * One endpoint of the REST API, defined once: the server's routes, the client's calls and the
 * OpenAPI document all derive from it.
 */
export interface EndpointDefinition<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` for the fields of `params`. */
  readonly path: string;
  /** One sentence, for the OpenAPI document. */
  readonly summary: string;
  /**
   * Who can answer: `any` master, the one that is `named`, only the one that is `acting` for
   * `params.subset`, or any that is `serving` it, the acting one first. A client that knows another
   * master tunnels through it to the right one.
   */
  readonly responsible: 'any' | 'named' | 'acting' | 'serving';
  /** Who may ask. `master` is for what one master tells another. */
  readonly caller: 'operator' | 'master';
  /** `one` JSON document, or a `stream` of them, one a line, until either end closes. */
  readonly reply: 'one' | 'stream';
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** How long the body may be; as the server has it for all unless said. */
  readonly maxBodyBytes?: number;
  /** Of the document, or of each line. */
  readonly response: Reply;
}

export function defineEndpoint<
  Params extends z.ZodType,
  Query extends z.ZodType,
  Body extends z.ZodType,
  Reply extends z.ZodType,
>(
  definition: EndpointDefinition<Params, Query, Body, Reply>,
): EndpointDefinition<Params, Query, Body, Reply> {
  return definition;
}

export interface RequestOf<E extends EndpointDefinition> {
  readonly params: z.infer<E['params']>;
  readonly query: z.infer<E['query']>;
  readonly body: z.infer<E['body']>;
}
export type ReplyOf<E extends EndpointDefinition> = z.infer<E['response']>;
