import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { type Endpoint, hostOf, portOf } from '../../model/endpoint.ts';

/** Serves `GET /metrics` in Prometheus' text form, without authentication: for loopback or a private network. */
export async function serveMetrics(listen: Endpoint, registry: Registry): Promise<AsyncDisposable> {
  const server: Server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end('metrics are at /metrics\n');
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error: unknown) => response.writeHead(500).end(`${String(error)}\n`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: hostOf(listen), port: portOf(listen) }, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
