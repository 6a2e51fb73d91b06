import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { WebSocketServer } from 'ws';
import { maxMemberMessageBytes, sessionPath, sessionProtocol } from '../../api/messages.ts';
import {
  createUpgradeServer,
  rejectProtocol,
  rejectUpgrade,
  type UpgradeRejection,
} from '../http/websocket-upgrade.ts';
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
    this.#server = createUpgradeServer(sessionProtocol, maxMemberMessageBytes);
  }

  /** For the HTTP server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const rejection = this.#rejectionOf(request);
    if (rejection) {
      rejectUpgrade(socket, rejection);
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

  #rejectionOf(request: IncomingMessage): UpgradeRejection | undefined {
    if (request.url !== sessionPath)
      return { status: '404 Not Found', message: `sessions are at ${sessionPath}` };
    const rejection = rejectProtocol(request, sessionProtocol);
    if (rejection || this.#pending < maxPending) return rejection;
    return {
      status: '503 Service Unavailable',
      message: 'too many new connections: come back soon',
    };
  }
}
