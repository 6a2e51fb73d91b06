import { request } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { hostOf, portOf } from '../../model/endpoint.ts';
import { dnsNameOf, type MasterName } from '../../model/names.ts';
import { Deadline } from '../../runtime/deadline.ts';
import { answerFailure, connectionFailure } from './connection-failure.ts';
import type { ApiCredentials, KnownMaster } from './operator-profile.ts';
import { readProblem } from './problem-reply.ts';

/** A master that proved its name, and the connection over which it did. */
export interface MasterSocket {
  readonly master: KnownMaster;
  readonly socket: TLSSocket;
}

export interface ConnectOptions {
  readonly profile: ApiCredentials;
  /** For TCP and TLS together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Connects to a master at its control endpoint.
 * @throws ClientError `unreachable` or `untrusted-master`
 */
export async function connectDirectly(
  master: KnownMaster,
  options: ConnectOptions,
): Promise<MasterSocket> {
  const transport = connectTcp({ host: hostOf(master.control), port: portOf(master.control) });
  return { master, socket: await secure(master, transport, options) };
}

/**
 * Connects to a master through another one, which relays bytes (HTTP CONNECT, RFC 9110 §9.3.6) and
 * can neither read nor change them: the TLS session is with the far master. Takes over `entry`.
 * @throws ClientError as `connectDirectly`; ApiError when the master between refuses to relay
 */
export async function connectThrough(
  entry: MasterSocket,
  master: KnownMaster,
  options: ConnectOptions,
): Promise<MasterSocket> {
  const transport = await openTunnel(entry, master.name, options);
  return { master, socket: await secure(master, transport, options) };
}

/**
 * Whether the master ends a connection over which nothing was asked. In TLS 1.3 a client is done
 * before the server has seen its certificate, and Node's servers refuse one by closing without a
 * word: only silence tells that the certificate was accepted.
 */
export async function isTurnedAway({ socket }: MasterSocket, waitMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(resolve, waitMs, false);
  socket.once('close', () => resolve(true)).resume();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** The TLS handshake with exactly this master; ends the transport when it fails. */
async function secure(
  master: KnownMaster,
  transport: Duplex,
  options: ConnectOptions,
): Promise<TLSSocket> {
  const { profile, timeoutMs, signal } = options;
  const expected = dnsNameOf({ kind: 'master', vpn: profile.vpn, name: master.name });
  const socket = connectTls({
    socket: transport,
    servername: expected,
    ca: profile.rootCertificate,
    cert: profile.certificateChain,
    key: profile.privateKey,
    minVersion: 'TLSv1.3',
    // Node's own check would also take wildcards, common names and one of several names.
    checkServerIdentity: (_, certificate) =>
      certificate.subjectaltname === `DNS:${expected}`
        ? undefined
        : Object.assign(new Error(`it shows a certificate for ${certificate.subjectaltname}`), {
            code: 'ERR_TLS_CERT_ALTNAME_INVALID',
          }),
  });
  try {
    await firstEvent(socket, transport, { timeoutMs, ...(signal ? { signal } : {}) });
    return socket;
  } catch (error) {
    socket.destroy();
    transport.destroy();
    throw signal?.aborted ? signal.reason : connectionFailure(master, error);
  }
}

/** Resolves when the handshake is done; rejects with what stopped it. */
function firstEvent(
  socket: TLSSocket,
  transport: Duplex,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const deadline = new Deadline(options.timeoutMs, options.signal);
  const stop = deadline.signal;
  const onStop = () => reject(stop.reason);
  const onClose = () => reject(new Error('the connection was closed'));
  stop.addEventListener('abort', onStop, { once: true });
  if (stop.aborted) onStop();
  // The reason of a failed TCP connection is told on the transport, and TLS only sees it closed.
  transport.once('error', reject);
  socket.once('secureConnect', resolve).once('error', reject).once('close', onClose);
  return promise.finally(() => {
    deadline[Symbol.dispose]();
    stop.removeEventListener('abort', onStop);
    transport.off('error', reject).on('error', ignoreLateError);
    socket.off('error', reject).off('close', onClose).on('error', ignoreLateError);
  });
}

/** The request on the socket hears of the same error; without a listener it would end the process. */
function ignoreLateError(): void {}

function openTunnel(
  entry: MasterSocket,
  to: MasterName,
  options: ConnectOptions,
): Promise<Socket | Duplex> {
  const name = dnsNameOf({ kind: 'master', vpn: options.profile.vpn, name: to });
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
  const deadline = new Deadline(options.timeoutMs, options.signal);
  request({
    method: 'CONNECT',
    path: `${name}:443`,
    headers: { host: `${name}:443` },
    createConnection: () => entry.socket,
    signal: deadline.signal,
  })
    .once('connect', (response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      if (response.statusCode === 200) resolve(socket);
      else readProblem(response, socket).then(reject, reject);
    })
    .once('error', (error) => {
      reject(options.signal?.aborted ? options.signal.reason : answerFailure(entry.master, error));
    })
    .end();
  return promise.finally(() => deadline[Symbol.dispose]());
}
