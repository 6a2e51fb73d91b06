import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type Endpoint, hostOf, portOf } from '../model/endpoint.ts';
import { describeError } from '../model/error.ts';
import type { Clock } from '../runtime/clock.ts';
import { sessionEnded } from './control-connection.ts';
import { MemberError } from './member-error.ts';

/** Long enough for a handshake across the world on a bad line; a dead master costs no more. */
export const connectTimeoutMs = 5_000;

/** What the member shows of itself. Its private key never leaves it. */
export interface ClientCredentials {
  readonly chain: readonly string[];
  readonly privateKeyPem: string;
}

export interface AttemptOptions {
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** `connectTimeoutMs` unless said. */
  readonly limitMs?: number;
}

/**
 * Gives a task at most `limitMs`.
 * @throws MemberError `unreachable` after that; the signal's reason when it is aborted
 */
export async function withConnectTimeout<T>(
  { endpoint, clock, signal, limitMs = connectTimeoutMs }: AttemptOptions,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  const finished = new AbortController();
  const problem = `it did not answer within ${limitMs / 1_000} s`;
  clock.sleep(limitMs, AbortSignal.any([signal, finished.signal])).then(
    () => timeout.abort(sessionEnded(endpoint, 'unreachable', problem)),
    () => {
      // The task was faster, or nobody waits for it any more.
    },
  );
  try {
    return await task(AbortSignal.any([signal, timeout.signal]));
  } finally {
    finished.abort();
  }
}

/**
 * Opens TLS 1.3 to a master whose root certificate is known: the path is validated by OpenSSL and
 * the name must be exactly the one expected.
 * @throws MemberError `unreachable`, `untrusted-master`
 */
export function connectToKnownMaster(
  target: {
    readonly endpoint: Endpoint;
    readonly dnsName: string;
    readonly rootCertificate: string;
    /** That this master gave when it proved its name; a resumed handshake does not ask for the name again. */
    readonly ticket?: Buffer | undefined;
  },
  credentials: ClientCredentials,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { endpoint, dnsName, rootCertificate, ticket } = target;
  const options: ConnectionOptions = {
    ...tlsOptions(endpoint, dnsName, credentials),
    ca: rootCertificate,
    ...(ticket ? { session: ticket } : {}),
    // Node's own check would also take wildcards, common names and one of several names.
    checkServerIdentity: (_, { subjectaltname }) =>
      subjectaltname === `DNS:${dnsName}`
        ? undefined
        : new Error(`it shows a certificate for ${subjectaltname ?? 'nobody'}`),
  };
  return handshake(endpoint, options, signal);
}

/**
 * Opens TLS 1.3 to whoever answers. The caller must check the other end's certificates before it
 * sends anything: all that the other end has learnt so far is the certificate in `credentials`.
 * @throws MemberError `unreachable`
 */
export function connectToStranger(
  target: { readonly endpoint: Endpoint; readonly dnsName: string },
  credentials: ClientCredentials,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const options: ConnectionOptions = {
    ...tlsOptions(target.endpoint, target.dnsName, credentials),
    rejectUnauthorized: false,
  };
  return handshake(target.endpoint, options, signal);
}

function tlsOptions(
  endpoint: Endpoint,
  servername: string,
  { chain, privateKeyPem }: ClientCredentials,
): ConnectionOptions {
  return {
    host: hostOf(endpoint),
    port: portOf(endpoint),
    servername,
    cert: chain.join('\n'),
    key: privateKeyPem,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
  };
}

async function handshake(
  endpoint: Endpoint,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<TLSSocket> {
  signal.throwIfAborted();
  const socket = connect(options);
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  socket.setNoDelay(true);
  socket.once('secureConnect', () => resolve(socket));
  socket.on('error', (error) => reject(handshakeError(endpoint, socket, error)));
  try {
    return await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function handshakeError(endpoint: Endpoint, socket: TLSSocket, cause: Error): MemberError {
  // Node sets it when, and only when, the other end's certificate is the reason.
  if (!socket.authorizationError) {
    return sessionEnded(endpoint, 'unreachable', describeError(cause), { cause });
  }
  return untrustedMaster(endpoint, describeError(cause), cause);
}

/** The other end did not prove to be the master that it should be. */
export function untrustedMaster(endpoint: Endpoint, problem: string, cause?: unknown): MemberError {
  return new MemberError(`${endpoint} is not the master that it should be: ${problem}`, {
    code: 'untrusted-master',
    fields: { endpoint },
    cause,
  });
}
