import type { z } from 'zod';
import { InvalidInputError } from '../../model/error.ts';
import type { EndpointDefinition } from '../endpoint-definition.ts';

type Part = 'params' | 'query' | 'body';
type InputOf<E extends EndpointDefinition, P extends Part> = z.input<E[P]>;
type RequiredPart<E extends EndpointDefinition> = {
  [P in Part]: Record<never, never> extends InputOf<E, P> ? never : P;
}[Part];

/** What a caller passes: the parts that have a required field, and the others when it likes. */
export type CallInput<E extends EndpointDefinition> = {
  readonly [P in RequiredPart<E>]: InputOf<E, P>;
} & { readonly [P in Exclude<Part, RequiredPart<E>>]?: InputOf<E, P> };

/** A request as it goes over the wire. */
export interface WireRequest {
  readonly method: EndpointDefinition['method'];
  /** Path and query, percent-encoded. */
  readonly target: string;
  /** JSON; absent for methods without a body. */
  readonly body?: string;
}

/**
 * Checks the parts against the endpoint's schemas, fills in their defaults and encodes them.
 * @throws InvalidInputError naming the field, before anything is sent
 */
export function encodeRequest<E extends EndpointDefinition>(
  endpoint: E,
  input: CallInput<E>,
): WireRequest {
  const parts: { readonly [P in Part]?: unknown } = input;
  const params = parsePart(endpoint, 'params', parts.params);
  const query = encodeQuery(parsePart(endpoint, 'query', parts.query));
  const body = parsePart(endpoint, 'body', parts.body);
  const target = fillPath(endpoint.path, params) + (query === '' ? '' : `?${query}`);
  return endpoint.method === 'POST' || endpoint.method === 'PUT'
    ? { method: endpoint.method, target, body: JSON.stringify(body) }
    : { method: endpoint.method, target };
}

function parsePart(
  endpoint: EndpointDefinition,
  part: Part,
  value: unknown,
): Readonly<Record<string, unknown>> {
  const result = endpoint[part].safeParse(value ?? {});
  if (result.success) return result.data as Readonly<Record<string, unknown>>;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.') || part;
  throw new InvalidInputError(`${field}: ${issue?.message ?? 'not valid'}`, { field });
}

function fillPath(path: string, params: Readonly<Record<string, unknown>>): string {
  return path.replaceAll(/:([A-Za-z]+)/g, (_, name: string) =>
    encodeURIComponent(String(params[name])),
  );
}

function encodeQuery(query: Readonly<Record<string, unknown>>): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  return parameters.toString();
}
