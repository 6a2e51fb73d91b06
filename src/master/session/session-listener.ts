import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer } from 'ws';
import { maxMemberMessageBytes, sessionPath, sessionProtocol } from '../../api/messages.ts';
import { Connection, type ConnectionDependencies } from './connection.ts';

/** Connections that are not in a session yet; above it, newcomers are asked to come back. */
const maxPending = 2_000;

/** Accepts control sessions (docs/protocol.md). Nothing that a member sends can end the process. */
export class SessionListener {
  readonly #server: WebSocketServer;
  readonly #dependencies: ConnectionDependencies;
  #pending = 0;

  constructor(dependencies: ConnectionDependencies) {
    this.#dependencies = dependencies;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: maxMemberMessageBytes,
      handleProtocols: (offered) => (offered.has(sessionProtocol) ? sessionProtocol : false),
    });
  }

  /** For the HTTP server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const rejection = this.#rejectionOf(request);
    if (rejection) {
      rejectUpgrade(socket, rejection.status, rejection.message);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#pending += 1;
      const settled = (): void => {
        this.#pending -= 1;
      };
      new Connection(webSocket, request.socket as TLSSocket, this.#dependencies, settled).start();
    });
  }

  #rejectionOf({ url, headers }: IncomingMessage): { status: string; message: string } | undefined {
    if (url !== sessionPath)
      return { status: '404 Not Found', message: `sessions are at ${sessionPath}` };
    const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim()) ?? [];
    if (!offered.includes(sessionProtocol)) {
      const what = offered.join(', ').slice(0, 64) || 'nothing';
      return {
        status: '400 Bad Request',
        message: `this master speaks ${sessionProtocol}; you offered ${what}`,
      };
    }
    if (this.#pending < maxPending) return undefined;
    return {
      status: '503 Service Unavailable',
      message: 'too many new connections: come back soon',
    };
  }
}

function rejectUpgrade(socket: Duplex, status: string, message: string): void {
  const body = `${message}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
