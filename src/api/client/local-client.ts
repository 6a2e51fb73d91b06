import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { HanseError } from '../../model/error.ts';
import { type LocalEndpoint, localLineSchema, localLinesType } from '../member-local.ts';
import { ApiError, ClientError } from './client-error.ts';
import { readLines } from './json-lines.ts';
import { readProblem } from './problem-reply.ts';

/**
 * Over a file socket every wait is the daemon's own work: a join, or a leave that a master records. A
 * daemon that has something to tell begins the wait anew.
 */
const silenceMs = 60_000;

export interface LocalCallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told what the daemon tells until it answers, a line at a time. */
  readonly onProgress?: ((text: string) => void) | undefined;
}

/** Whether the error only says that no daemon runs on the directory. */
export function isNotRunning(error: unknown): boolean {
  return error instanceof ClientError && error.code === 'not-running';
}

/**
 * Asks the member daemon that serves the socket.
 * @throws ClientError `not-running`, `unreachable`, `bad-reply`; ApiError when the daemon says no
 */
export async function callLocal<E extends LocalEndpoint>(
  socketPath: string,
  endpoint: E,
  body: z.input<E['body']>,
  options: LocalCallOptions = {},
): Promise<z.infer<E['response']>> {
  const { signal } = options;
  try {
    const response = await send(socketPath, endpoint, body, options);
    if (response.statusCode !== 200) throw await readProblem(response, response);
    return parseReply(endpoint, await readReply(response, endpoint, options));
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof HanseError ? error : failure(socketPath, error as Error);
  }
}

function send(
  socketPath: string,
  endpoint: LocalEndpoint,
  body: unknown,
  { signal, onProgress }: LocalCallOptions,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request({
    socketPath,
    method: endpoint.method,
    path: endpoint.path,
    // A kept connection may be to a daemon of before.
    agent: false,
    headers: {
      accept: `application/json${onProgress ? `, ${localLinesType}` : ''}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(signal ? { signal } : {}),
  });
  let answering: IncomingMessage | undefined;
  sent.setTimeout(silenceMs, () =>
    (answering ?? sent).destroy(new Error(`silent for ${silenceMs / 1_000} s`)),
  );
  sent.once('response', (response) => {
    answering = response;
    resolve(response);
  });
  sent.on('error', reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

/** @throws ApiError when the daemon says no after it has told something; SyntaxError */
async function readReply(
  response: IncomingMessage,
  endpoint: LocalEndpoint,
  { onProgress }: LocalCallOptions,
): Promise<unknown> {
  if (response.headers['content-type'] !== localLinesType) return JSON.parse(await text(response));
  for await (const json of readLines(response)) {
    const line = localLineSchema.safeParse(JSON.parse(json));
    if (!line.success) throw badReply(endpoint, line.error);
    if (line.data.type === 'answer') return line.data.answer;
    if (line.data.type === 'failed') throw new ApiError(line.data.problem, line.data.status);
    onProgress?.(line.data.text);
  }
  throw new Error('its answer was cut off');
}

function parseReply<E extends LocalEndpoint>(endpoint: E, reply: unknown): z.infer<E['response']> {
  const result = endpoint.response.safeParse(reply);
  if (result.success) return result.data as z.infer<E['response']>;
  throw badReply(endpoint, result.error);
}

function badReply({ path }: LocalEndpoint, error: z.ZodError): ClientError {
  return new ClientError(
    `the member daemon answered ${path} with something else (is it another version?): ${z.prettifyError(error)}`,
    { code: 'bad-reply', fields: { endpoint: path } },
  );
}

function failure(socketPath: string, cause: NodeJS.ErrnoException): unknown {
  const fields = { address: socketPath };
  if (cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED') {
    return new ClientError(
      `no member runs on this machine (nothing serves ${socketPath}): start it with \`hanse member run\``,
      {
        code: 'not-running',
        fields,
        cause,
      },
    );
  }
  if (cause.code === 'EACCES' || cause.code === 'EPERM') {
    return Object.assign(cause, { path: socketPath });
  }
  return new ClientError(`the member daemon at ${socketPath} gave no answer: ${cause.message}`, {
    code: 'unreachable',
    retryable: true,
    fields,
    cause,
  });
}
