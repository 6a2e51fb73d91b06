import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { ClientError } from './client-error.ts';
import { answerFailure, connectionFailure } from './connection-failure.ts';
import type { MasterSocket } from './master-socket.ts';
import { readProblem } from './problem-reply.ts';
import type { WireRequest } from './request-target.ts';

/** More than a page of 1,000 members with their certificates' ends and tunnels needs. */
const longestReplyBytes = 16 * 1024 * 1024;

/**
 * Sends one request over a connection of its own and resolves with the answer's head. Whoever gets
 * it must read it or destroy it; either ends the connection.
 * @throws ApiError when the master says no; ClientError `interrupted`, `credentials-refused`; `unreachable`
 *   when the connection has ended before, and nothing was asked
 */
export async function exchange(
  { master, socket }: MasterSocket,
  { method, target, body }: WireRequest,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  // Its end was told before anybody listened, and would not be told again: the request would wait for ever.
  if (!socket.writable) throw connectionFailure(master, new Error('the connection was closed'));
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = {
    host: socket.servername || master.name,
    accept: 'application/json, application/x-ndjson',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  request({ method, path: target, headers, createConnection: () => socket, signal })
    .once('response', resolve)
    .on('error', (error) => {
      reject(signal.aborted ? signal.reason : answerFailure(master, error));
    })
    .end(body);
  const response = await promise;
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return response;
  throw await readProblem(response, response);
}

/** The whole body as text. @throws ClientError `interrupted`, `bad-reply` */
export async function readBody(
  response: IncomingMessage,
  { master }: MasterSocket,
): Promise<string> {
  if (Number(response.headers['content-length'] ?? 0) > longestReplyBytes) {
    response.destroy();
    throw new ClientError(`the answer of master ${master.name} is too long`, { code: 'bad-reply' });
  }
  try {
    return (await buffer(limited(response, longestReplyBytes))).toString('utf8');
  } catch (error) {
    throw interrupted(error, master.name);
  }
}

/** The connection ended, or was ended, inside an answer. */
export function interrupted(cause: unknown, master: string): ClientError {
  return new ClientError(
    `the answer of master ${master} broke off: whether it did what was asked is not known`,
    { code: 'interrupted', retryable: true, fields: { master }, cause },
  );
}

async function* limited(source: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > bytes) throw new RangeError(`the answer is longer than ${bytes} bytes`);
    yield chunk;
  }
}
