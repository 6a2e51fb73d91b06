import { once } from 'node:events';
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { maxMasterMessageBytes, sessionPath, sessionProtocol } from '../../src/api/messages.ts';
import { connectTimeoutMs } from '../../src/member/tls-connection.ts';
import type { MasterTarget } from './crowd-target.ts';

export interface SessionOrigin {
  readonly secureContext: SecureContext;
  /** The machine's unless said. */
  readonly sourceAddress: string | undefined;
  /** With which the handshake is a resumption. */
  readonly ticket?: Buffer | undefined;
}

/** Opens a WebSocket to a master, as a member does. @throws Error when it is not open in time */
export async function openSession(target: MasterTarget, origin: SessionOrigin): Promise<WebSocket> {
  const { host } = target;
  const socket = openTls(target, origin);
  try {
    const signal = AbortSignal.timeout(connectTimeoutMs);
    await once(socket, 'secureConnect', { signal });
    const session = new WebSocket(`ws://${host}${sessionPath}`, sessionProtocol, {
      createConnection: () => socket,
      perMessageDeflate: false,
      maxPayload: maxMasterMessageBytes,
    });
    // A broken connection is told by its close as well.
    session.on('error', () => undefined);
    await once(session, 'open', { signal });
    return session;
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  }
}

/** Opens a connection only for the ticket that a master gives. @throws Error when none comes in time */
export async function fetchTicket(target: MasterTarget, origin: SessionOrigin): Promise<Buffer> {
  const socket = openTls(target, origin);
  try {
    const signal = AbortSignal.timeout(connectTimeoutMs);
    const [ticket] = (await once(socket, 'session', { signal })) as [Buffer];
    return ticket;
  } finally {
    socket.on('error', () => undefined).destroy();
  }
}

function openTls(
  { host, port, dnsName }: MasterTarget,
  { secureContext, sourceAddress, ticket }: SessionOrigin,
): TLSSocket {
  // Node passes it on to the socket; its types forget it.
  const options: ConnectionOptions & { localAddress?: string } = {
    ...{ host, port, servername: dnsName, secureContext },
    ...(sourceAddress === undefined ? {} : { localAddress: sourceAddress }),
    ...(ticket ? { session: ticket } : {}),
    ALPNProtocols: ['http/1.1'],
  };
  return connect(options);
}
