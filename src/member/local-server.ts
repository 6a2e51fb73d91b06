import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import {
  type LocalEndpoint,
  type LocalLine,
  localLinesType,
  localMetricsPath,
} from '../api/member-local.ts';
import type { Problem } from '../api/problem.ts';
import { type Endpoint, hostOf, portOf } from '../model/endpoint.ts';
import { HanseError, InvalidInputError } from '../model/error.ts';
import { privateFileMode } from '../runtime/durable-file.ts';
import type { Log } from '../runtime/log.ts';
import type { OnProgress } from './landing/progress-lines.ts';
import type { MetricsPage } from './member-metrics.ts';

/** A token is the longest thing that anybody has to say here. */
const longestBodyBytes = 16 * 1024;

/** One endpoint and what answers it. */
export interface LocalRoute {
  readonly endpoint: LocalEndpoint;
  readonly answer: (body: unknown, onProgress: OnProgress) => Promise<unknown>;
}

/** Ties a handler to its endpoint's types; the server has checked the body by the schema then. */
export function localRoute<Body extends z.ZodType, Reply extends z.ZodType>(
  endpoint: LocalEndpoint<Body, Reply>,
  answer: (body: z.infer<Body>, onProgress: OnProgress) => Promise<z.input<Reply>>,
): LocalRoute {
  return {
    endpoint,
    answer: (body, onProgress) => answer(parseBody(endpoint, body), onProgress),
  };
}

export interface LocalServerOptions {
  readonly socketPath: string;
  /** TCP, for `/metrics` and nothing else. */
  readonly metricsListen?: Endpoint;
}

export interface LocalServerDependencies {
  readonly routes: readonly LocalRoute[];
  readonly metrics: () => Promise<MetricsPage>;
  readonly log: Log;
}

/**
 * Serves the local API on a Unix socket that only the daemon's user may open. A socket that a killed
 * daemon left behind is replaced: the directory's lock says that nobody serves it.
 */
export async function serveLocally(
  options: LocalServerOptions,
  dependencies: LocalServerDependencies,
): Promise<AsyncDisposable> {
  await using servers = new AsyncDisposableStack();
  await rm(options.socketPath, { force: true });
  const local = servers.use(createLocalServer(dependencies.routes, dependencies));
  local.listen(options.socketPath);
  await once(local, 'listening');
  await chmod(options.socketPath, privateFileMode);
  if (options.metricsListen !== undefined) {
    const metrics = servers.use(createLocalServer([], dependencies));
    metrics.listen({ host: hostOf(options.metricsListen), port: portOf(options.metricsListen) });
    await once(metrics, 'listening');
  }
  return servers.move();
}

function createLocalServer(
  routes: readonly LocalRoute[],
  { metrics, log }: LocalServerDependencies,
): Server {
  const server = createServer((request, response) => {
    const answered =
      request.method === 'GET' && request.url === localMetricsPath
        ? sendMetrics(metrics, response)
        : answerRoute(routes, request, response);
    answered.catch((error: unknown) => {
      if (!(error instanceof HanseError)) log.error({ err: error }, 'local request failed');
      sendProblem(response, error);
    });
  });
  // Requests are few and short; a connection that stays would only delay the stop.
  server.keepAliveTimeout = 1;
  return server;
}

async function sendMetrics(
  metrics: LocalServerDependencies['metrics'],
  response: ServerResponse,
): Promise<void> {
  const { contentType, text } = await metrics();
  response.writeHead(200, { 'content-type': contentType }).end(text);
}

async function answerRoute(
  routes: readonly LocalRoute[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method, url } = request;
  const route = routes.find(({ endpoint }) => endpoint.method === method && endpoint.path === url);
  if (!route) throw new InvalidInputError(`there is no ${method} ${url} here`);
  const inParts = request.headers.accept?.includes(localLinesType) ?? false;
  const tell = (text: string): void => {
    if (!inParts) return;
    if (!response.headersSent) response.setHeader('content-type', localLinesType);
    response.write(encodeLine({ type: 'progress', text }));
  };
  const answer = await route.answer(await readBody(request), tell);
  if (response.headersSent) response.end(encodeLine({ type: 'answer', answer }));
  else sendJson(response, 200, answer);
}

const encodeLine = (line: LocalLine): string => `${JSON.stringify(line)}\n`;

function parseBody<Body extends z.ZodType>(
  { body: schema, path }: LocalEndpoint<Body>,
  body: unknown,
): z.infer<Body> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const problem = z.prettifyError(result.error);
  throw new InvalidInputError(`the body of the request ${path} is not valid: ${problem}`);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (request.headers['transfer-encoding'] !== undefined || declared > longestBodyBytes) {
    throw new InvalidInputError(`a body needs a content-length of ${longestBodyBytes} at most`);
  }
  const text = (await buffer(request)).toString('utf8');
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidInputError('the body of the request is not JSON', {}, cause);
  }
}

/** As an answer of its own, or as the last line of one that has begun. */
function sendProblem(response: ServerResponse, error: unknown): void {
  const [status, problem] = [statusOf(error), problemOf(error)];
  if (!response.headersSent) sendJson(response, status, problem);
  else if (response.getHeader('content-type') === localLinesType) {
    response.end(encodeLine({ type: 'failed', status, problem }));
  } else response.destroy();
}

function sendJson(response: ServerResponse, status: number, document: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(document));
}

function statusOf(error: unknown): number {
  if (!(error instanceof HanseError)) return 500;
  if (error.code === 'invalid') return 400;
  return error.retryable ? 503 : 409;
}

function problemOf(error: unknown): Problem {
  if (error instanceof HanseError) {
    const { code, message, retryable, fields } = error;
    return { code, message, retryable, fields: { ...fields } };
  }
  const message = 'the member daemon could not do this; its log says why';
  return { code: 'internal', message, retryable: false };
}
