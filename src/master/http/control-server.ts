import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import fastify, { type FastifyInstance } from 'fastify';
import { carrierPath } from '../../api/carrier.ts';
import { problemOf } from '../../api/server/problem.ts';
import { type Endpoint, hostOf, portOf } from '../../model/endpoint.ts';
import { HanseError } from '../../model/error.ts';
import type { Log } from '../../runtime/log.ts';
import type { CarrierListener } from '../carrier/carrier-listener.ts';
import type { SessionListener } from '../session/session-listener.ts';
import { addOperatorRoutes, type OperatorRoutesDependencies } from './operator-routes.ts';
import { TunnelRelay } from './tunnel.ts';

export interface ControlServerOptions {
  readonly listen: Endpoint;
  /** PEM. */
  readonly certificate: string;
  /** Secret. PEM. */
  readonly privateKey: string;
  /** PEM. Sent along, so that a newcomer can compare it with the fingerprint in its token. */
  readonly rootCertificate: string;
}

export interface ControlServerDependencies {
  readonly routes: Omit<OperatorRoutesDependencies, 'log'>;
  readonly sessions: Pick<SessionListener, 'upgrade'>;
  readonly carriers: Pick<CarrierListener, 'upgrade'>;
  readonly received: (sender: string, kind: string) => void;
  readonly log: Log;
}

/** No request is larger than a certificate chain and a few words. */
const maxBodyBytes = 64 * 1024;
const handshakeTimeoutMs = 10_000;
/**
 * How long a member may resume with a ticket, if its certificate is still valid then. OpenSSL makes the
 * key of the tickets when the server starts: it is no other master's, never on a disk, and gone with the process.
 */
const ticketLifeSeconds = 24 * 3_600;
/** Members answer the goodbye of a session at once. */
const closeGraceMs = 1_000;
/** Pending TCP connections, for when a whole subset comes back at once. */
const backlog = 4_096;

/** The master's one listening port: sessions, the API, tunnels to other masters, and carriers. */
export class ControlServer implements AsyncDisposable {
  readonly #app: FastifyInstance;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(app: FastifyInstance, server: Server) {
    this.#app = app;
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** @throws system errors, named by Node, when the address cannot be listened on */
  static async listen(
    options: ControlServerOptions,
    dependencies: ControlServerDependencies,
  ): Promise<ControlServer> {
    const { app, server } = createApp(options, dependencies.log);
    addOperatorRoutes(app, { ...dependencies.routes, log: dependencies.log });
    const tunnels = new TunnelRelay({ ...dependencies.routes, received: dependencies.received });
    const { sessions, carriers } = dependencies;
    server.on('upgrade', (request, socket, head) => {
      const listener = request.url === carrierPath ? carriers : sessions;
      listener.upgrade(request, socket, head);
    });
    server.on('connect', (request, socket, head) => void tunnels.connect(request, socket, head));
    const control = new ControlServer(app, server);
    await app.listen({ host: hostOf(options.listen), port: portOf(options.listen), backlog });
    // Of a connection that could not be taken, when the machine has no descriptors left.
    server.on('error', (error) => dependencies.log.warn({ error }, 'could not take a connection'));
    return control;
  }

  /** Stops listening and cuts what is still open; sessions and tunnels after a moment to end well. */
  async [Symbol.asyncDispose](): Promise<void> {
    const grace = setTimeout(() => this.#cutSockets(), closeGraceMs);
    this.#server.closeAllConnections();
    await this.#app.close();
    clearTimeout(grace);
  }

  /** An upgraded connection is none of the HTTP server's any more, yet it keeps it from closing. */
  #cutSockets(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function createApp(
  options: ControlServerOptions,
  log: Log,
): { app: FastifyInstance; server: Server } {
  let server: Server | undefined;
  const app = fastify({
    bodyLimit: maxBodyBytes,
    forceCloseConnections: true,
    serverFactory: (handler) => {
      server = createServer(tlsOptions(options), handler);
      return server;
    },
  });
  if (!server) throw new Error('the HTTP framework made no server');
  // A handshake that fails is somebody else's mistake, and says so at this level only.
  server.on('tlsClientError', (error, socket: TLSSocket) => {
    log.debug({ remote: socket.remoteAddress, error }, 'a TLS handshake failed');
  });
  app.setErrorHandler(async (error, _request, reply) => {
    const { status, problem, isOurs } = problemOf(error);
    if (isOurs) log.error({ error }, 'a request could not be handled');
    await reply.status(status).send(problem);
  });
  app.setNotFoundHandler(async ({ method, url }) => {
    throw new HanseError(`there is no ${method} ${url.slice(0, 128)}`, {
      code: 'no-such-endpoint',
    });
  });
  return { app, server };
}

function tlsOptions({ certificate, privateKey, rootCertificate }: ControlServerOptions) {
  return {
    cert: `${certificate.trim()}\n${rootCertificate}`,
    key: privateKey,
    ca: rootCertificate,
    // Whoever calls is identified by `identifyCaller`, which can say what is wrong; TLS cannot.
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3' as const,
    handshakeTimeout: handshakeTimeoutMs,
    sessionTimeout: ticketLifeSeconds,
  };
}
