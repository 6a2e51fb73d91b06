import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Problem } from '../../api/problem.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';
import { describeError } from '../../model/error.ts';
import { parseDnsName } from '../../model/names.ts';
import type { MasterRecord } from '../../model/records/directory.ts';
import type { Directory } from '../directory/directory.ts';
import { MasterError } from '../master-error.ts';
import { describeCaller, type OperatorAccess } from './operator-access.ts';

export interface TunnelDependencies {
  readonly access: OperatorAccess;
  readonly directory: Directory;
  readonly received: (sender: string, kind: string) => void;
}

const connectTimeoutMs = 5_000;

/**
 * Relays bytes between an operator and another master (HTTP CONNECT, RFC 9110 §9.3.6). The
 * operator's TLS goes through to that master, so this one can neither read nor forge the request,
 * and only masters of the directory can be reached.
 */
export class TunnelRelay {
  readonly #dependencies: TunnelDependencies;

  constructor(dependencies: TunnelDependencies) {
    this.#dependencies = dependencies;
  }

  /** For the HTTP server's `connect` event. */
  async connect(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on('error', () => client.destroy());
    try {
      const { access, received } = this.#dependencies;
      const caller = await access.require(request.socket as TLSSocket, ['operator', 'master']);
      received(describeCaller(caller.identity), 'CONNECT');
      const target = await openTarget(this.#masterOf(request.url ?? ''));
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      if (head.length > 0) target.write(head);
      relay(client, target);
    } catch (error) {
      refuse(client, error);
    }
  }

  #masterOf(authority: string): MasterRecord {
    const { masters, vpn } = this.#dependencies.directory;
    const identity = parseDnsName(authority.replace(/:\d+$/, ''));
    const isOurs = identity?.kind === 'master' && identity.vpn === vpn.name;
    const master = isOurs ? masters.get(identity.name) : undefined;
    if (master) return master.record;
    throw new MasterError(`${authority.slice(0, 128)} is no master of this VPN`, {
      code: 'not-permitted',
    });
  }
}

/** What this master refuses is a problem of its own; a target out of reach may be back soon. */
function refuse(client: Duplex, error: unknown): void {
  const isRefusal = error instanceof MasterError;
  const status = isRefusal ? '403 Forbidden' : '502 Bad Gateway';
  const problem: Problem = {
    code: isRefusal ? error.code : 'unavailable',
    message: describeError(error),
    retryable: !isRefusal,
  };
  const body = `${JSON.stringify(problem)}\n`;
  client.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function openTarget({ name, control }: MasterRecord): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostOf(control),
      port: portOf(control),
      timeout: connectTimeoutMs,
    });
    socket.once('error', (cause) => {
      const why = describeError(cause);
      reject(new Error(`master ${name} is not reached from here at ${control}: ${why}`, { cause }));
    });
    socket.once('timeout', () => socket.destroy(new Error('it does not answer')));
    socket.once('connect', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

function relay(client: Duplex, target: Socket): void {
  target.on('error', () => client.destroy());
  target.on('close', () => client.destroy());
  client.on('close', () => target.destroy());
  client.pipe(target);
  target.pipe(client);
}
