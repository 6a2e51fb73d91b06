import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';

/** Makes WebSockets of connections that are handed to it, for one subprotocol. @param maxPayload bytes of a message */
export function createUpgradeServer(protocol: string, maxPayload: number): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload,
    handleProtocols: (offered) => (offered.has(protocol) ? protocol : false),
  });
}

/** Why a connection is not upgraded. */
export interface UpgradeRejection {
  /** Code and reason, as HTTP wants them. */
  readonly status: string;
  /** For people. */
  readonly message: string;
}

/** Whether a WebSocket that is asked for speaks another protocol than the one that is needed. */
export function rejectProtocol(
  { headers }: IncomingMessage,
  protocol: string,
): UpgradeRejection | undefined {
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
  if (offered.includes(protocol)) return undefined;
  const what = offered.join(', ').slice(0, 64) || 'nothing';
  return {
    status: '400 Bad Request',
    message: `this master speaks ${protocol}; you offered ${what}`,
  };
}

/** Says why, and ends the connection. */
export function rejectUpgrade(socket: Duplex, { status, message }: UpgradeRejection): void {
  const body = `${message}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
