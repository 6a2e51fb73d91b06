import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { Deadline } from '../../runtime/deadline.ts';
import type { LocalEndpoint } from '../member-local.ts';
import { ClientError } from './client-error.ts';
import { readProblem } from './problem-reply.ts';

/** Over a file socket every wait is the daemon's own work: a join, or a leave that a master records. */
const replyTimeoutMs = 60_000;

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
  signal?: AbortSignal,
): Promise<z.infer<E['response']>> {
  const response = await send(socketPath, endpoint, body, signal);
  if (response.statusCode !== 200) throw await readProblem(response, response);
  const result = endpoint.response.safeParse(JSON.parse(await text(response)));
  if (result.success) return result.data as z.infer<E['response']>;
  throw new ClientError(
    `the member daemon answered ${endpoint.path} with something else (is it another version?): ${z.prettifyError(result.error)}`,
    { code: 'bad-reply', fields: { endpoint: endpoint.path } },
  );
}

function send(
  socketPath: string,
  endpoint: LocalEndpoint,
  body: unknown,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const deadline = new Deadline(replyTimeoutMs, signal);
  request({
    socketPath,
    method: endpoint.method,
    path: endpoint.path,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    signal: deadline.signal,
  })
    .once('response', resolve)
    .on('error', (error) => reject(signal?.aborted ? signal.reason : failure(socketPath, error)))
    .once('close', () => deadline[Symbol.dispose]())
    .end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
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
