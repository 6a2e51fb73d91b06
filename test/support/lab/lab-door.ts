import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../../../lab/lab.ts';
import type { LabNode } from '../../../lab/lab-node.ts';
import type { LabProcess } from '../../../lab/lab-process.ts';
import { type Endpoint, endpointSchema, hostOf, portOf } from '../../../src/model/endpoint.ts';

const program = fileURLToPath(new URL('./lab-door-main.ts', import.meta.url));
const openTimeoutMs = 60_000;
const port = 8_443;
let doors = 0;

export interface LabDoorOptions {
  /** From where in the lab the connections come. */
  readonly from: LabNode;
  /** What they lead to. */
  readonly target: Endpoint;
}

/**
 * Lets the test's own process connect to a server in a lab, so that a test can be an attacker byte
 * by byte: a loopback address of this machine that leads to the target, as seen from a node.
 */
export class LabDoor implements AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly #server: Server;
  readonly #process: LabProcess;
  readonly #sockets = new Set<Socket>();

  private constructor(endpoint: Endpoint, process: LabProcess, socketPath: string) {
    this.endpoint = endpoint;
    this.#process = process;
    this.#server = createServer((near) => this.#carry(near, connect(socketPath)));
  }

  static async open(lab: Lab, { from, target }: LabDoorOptions): Promise<LabDoor> {
    doors += 1;
    const socketPath = join(lab.directory, `door-${doors}.sock`);
    const line = [program, socketPath, hostOf(target), String(portOf(target))];
    const carrier = await from.start(process.execPath, line);
    await carrier.waitForOutput(/open/, openTimeoutMs);
    const door = new LabDoor(freeLoopbackEndpoint(), carrier, socketPath);
    door.#server.listen(port, hostOf(door.endpoint));
    await once(door.#server, 'listening');
    return door;
  }

  #carry(near: Socket, far: Socket): void {
    this.#sockets.add(near);
    near.on('error', () => far.destroy()).on('close', () => far.destroy());
    near.on('close', () => this.#sockets.delete(near));
    far.on('error', () => near.destroy()).on('close', () => near.destroy());
    near.pipe(far).pipe(near);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await this.#process.stop();
  }
}

/** Out of 127.0.0.0/8, so that the port need not be free by chance. */
function freeLoopbackEndpoint(): Endpoint {
  const part = (): number => randomInt(1, 255);
  return endpointSchema.parse(`127.${part()}.${part()}.${part()}:${port}`);
}
