import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { EndpointDefinition } from '../../src/api/endpoint-definition.ts';
import type { Problem } from '../../src/api/problem.ts';
import { everyEndpoint } from './every-endpoint.ts';
import type { TestCredentials } from './test-vpn.ts';

/** A request as the endpoint's schemas understood it. */
export interface ServedRequest {
  readonly endpoint: EndpointDefinition;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

export interface ApiServerOptions {
  readonly credentials: TestCredentials;
  /** PEM: whose certificates clients must have. */
  readonly clientRoot: string;
  /** What to answer: a document, an array of them for a stream, a refusal or `hangUp`. */
  readonly answer: (request: ServedRequest) => unknown;
  /** Where CONNECT to a DNS name leads. */
  readonly relay?: (name: string) => number | undefined;
}

/** An answer that is an error. */
export class Refusal {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    this.status = status;
    this.problem = problem;
  }
}

/** Instead of an answer the connection ends, as when a master dies over a request. */
export const hangUp = Symbol('hang up');

export interface ApiServer extends AsyncDisposable {
  readonly port: number;
  /** The DNS names that were asked for by CONNECT. */
  readonly relayed: readonly string[];
}

/** A master's API as far as a client can see it, made of the endpoint definitions. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const relayed: string[] = [];
  const sockets = new Set<Duplex>();
  const server = createServer({
    ...{ cert: options.credentials.certificate, key: options.credentials.key },
    ca: options.clientRoot,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  });
  server.on('connection', (socket: Duplex) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('request', (request, response) => void serve(request, response, options));
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    const [name = ''] = (request.url ?? '').split(':');
    relayed.push(name);
    relayTo(options.relay?.(name), socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    relayed,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function relayTo(port: number | undefined, socket: Duplex): void {
  socket.on('error', () => {});
  if (port === undefined) {
    const problem = JSON.stringify({
      code: 'unreachable',
      message: 'that master is out of reach',
      retryable: true,
    });
    socket.end(`HTTP/1.1 502 Bad Gateway\r\ncontent-length: ${problem.length}\r\n\r\n${problem}`);
    return;
  }
  const target = connect(port, '127.0.0.1', () => {
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
    socket.pipe(target).pipe(socket);
  });
  target.on('error', () => socket.destroy());
  socket.on('close', () => target.destroy());
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { answer }: ApiServerOptions,
): Promise<void> {
  const served = understand(request, await text(request));
  const reply = served ? answer(served) : new Refusal(404, notFound);
  if (reply === hangUp) {
    response.destroy();
  } else if (reply instanceof Refusal) {
    response.writeHead(reply.status).end(JSON.stringify(reply.problem));
  } else if (Array.isArray(reply)) {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const line of reply) response.write(`${JSON.stringify(line)}\n\n`);
    response.end();
  } else {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
  }
}

const notFound = { code: 'not-found', message: 'no such endpoint', retryable: false };

function understand(request: IncomingMessage, body: string): ServedRequest | undefined {
  const url = new URL(request.url ?? '', 'https://master');
  for (const endpoint of everyEndpoint) {
    const pattern = endpoint.path.replaceAll(/:([a-zA-Z]+)/g, '(?<$1>[^/]+)');
    const match = new RegExp(`^${pattern}$`).exec(url.pathname);
    if (!match || endpoint.method !== request.method) continue;
    const params = Object.entries(match.groups ?? {}).map(([name, value]) => [
      name,
      decodeURIComponent(value),
    ]);
    return {
      endpoint,
      params: endpoint.params.parse(Object.fromEntries(params)),
      query: endpoint.query.parse(Object.fromEntries(url.searchParams)),
      body: endpoint.body.parse(body === '' ? {} : JSON.parse(body)),
    };
  }
  return undefined;
}
