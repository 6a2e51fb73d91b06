import { Agent, type IncomingMessage, request } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { transferLimitMs, transferPath, transferType } from '../../api/transfer.ts';
import { transferBytes } from '../../core/measuring/probe-schedule.ts';
import type { Endpoint } from '../../model/endpoint.ts';
import { describeError } from '../../model/error.ts';
import { dnsNameOf, type MasterName, type VpnName } from '../../model/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import {
  type ClientCredentials,
  connectToKnownMaster,
  withConnectTimeout,
} from '../tls-connection.ts';

/** What a transfer has shown. */
export interface TransferResult {
  /** `fails`: the master's control port cannot be reached, or is not the master's. */
  readonly control: 'answers' | 'fails';
  readonly downMbit?: number;
  readonly upMbit?: number;
  readonly problem?: string;
}

/** To whom, and as whom. */
export interface TransferTarget {
  readonly name: MasterName;
  readonly control: Endpoint;
  readonly vpn: VpnName;
  /** PEM */
  readonly rootCertificate: string;
  readonly credentials: ClientCredentials;
  /** The round trip that goes by before the end of a transfer is known. */
  readonly latencyMs: number;
}

/** Below this it was one burst, whose speed is that of the machine. */
const shortestMs = 0.5;
const body = Buffer.alloc(transferBytes);

/**
 * Has `transferBytes` sent by a master and sends it as many, over one connection. What is found is
 * what so few bytes can reach while TCP begins slowly (RFC 6928): at least so much gets through.
 * Nothing that goes wrong is thrown. @throws the signal's reason
 */
export async function measureTransfer(
  target: TransferTarget,
  { clock }: { readonly clock: Clock },
  signal: AbortSignal,
): Promise<TransferResult> {
  let control: TransferResult['control'] = 'fails';
  try {
    using socket = disposable(await connect(target, clock, signal));
    control = 'answers';
    using deadline = new Deadline(2 * transferLimitMs, signal);
    using agent = disposable(new OneSocketAgent(socket.inner));
    const exchange = { agent: agent.inner, signal: deadline.signal, clock };
    const downMbit = await download(exchange);
    const upMbit = await upload(exchange, target.latencyMs);
    return { control, downMbit, upMbit };
  } catch (error) {
    signal.throwIfAborted();
    return { control, problem: `${target.control}: ${describeError(error)}` };
  }
}

function connect(
  { name, vpn, control: endpoint, rootCertificate, credentials }: TransferTarget,
  clock: Clock,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const dnsName = dnsNameOf({ kind: 'master', vpn, name });
  const trusted = { endpoint, dnsName, rootCertificate };
  return withConnectTimeout({ endpoint, clock, signal }, (inTime) =>
    connectToKnownMaster(trusted, credentials, inTime),
  );
}

interface Exchange {
  readonly agent: Agent;
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** Mbit/s between the first bytes and the last. */
async function download(exchange: Exchange): Promise<number> {
  const response = await send(exchange, 'GET');
  let [bytes, firstBytes, firstMs] = [0, 0, 0];
  for await (const chunk of response) {
    const { length } = chunk as Buffer;
    if (bytes === 0) [firstBytes, firstMs] = [length, exchange.clock.monotonicMs()];
    bytes += length;
    if (bytes > transferBytes) throw new Error('it sends more than was asked for');
  }
  if (bytes < transferBytes) throw new Error('it sends less than was asked for');
  return mbitOf(bytes - firstBytes, exchange.clock.monotonicMs() - firstMs);
}

/** Mbit/s from the first byte until the master has the last; one way back is in it, and taken off. */
async function upload(exchange: Exchange, latencyMs: number): Promise<number> {
  const startMs = exchange.clock.monotonicMs();
  const response = await send(exchange, 'POST');
  const tookMs = exchange.clock.monotonicMs() - startMs;
  response.resume();
  return mbitOf(transferBytes, tookMs - latencyMs);
}

async function send({ agent, signal }: Exchange, method: 'GET' | 'POST'): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers =
    method === 'POST' ? { 'content-type': transferType, 'content-length': transferBytes } : {};
  request({ agent, method, path: transferPath, headers, signal })
    .once('response', resolve)
    .on('error', reject)
    .end(method === 'POST' ? body : undefined);
  const response = await promise;
  if (response.statusCode === 200) return response;
  response.destroy();
  throw new Error(`no transfer now: HTTP ${response.statusCode}`);
}

function mbitOf(bytes: number, durationMs: number): number {
  return (bytes * 8) / (Math.max(shortestMs, durationMs) * 1_000);
}

/** Sends all requests over a connection that is there already. */
class OneSocketAgent extends Agent {
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#socket = socket;
  }

  override createConnection(): TLSSocket {
    return this.#socket;
  }
}

function disposable<T extends { destroy(): unknown }>(
  inner: T,
): Disposable & { readonly inner: T } {
  return { inner, [Symbol.dispose]: () => void inner.destroy() };
}
