import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callLocal } from '../../src/api/client/local-client.ts';
import { localStatus, type MembershipStatus } from '../../src/api/member-local.ts';
import { memberSocketOf } from '../../src/cli/member-socket.ts';
import { portOf } from '../../src/model/endpoint.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import type { ScriptedMaster } from './scripted-master.ts';

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A real daemon in a namespace, and a way for it to a scripted master in the test's own process. */
export class NamespaceMember implements AsyncDisposable {
  readonly namespace: NetworkNamespace;
  readonly directory: string;
  readonly #door: ChildProcess;
  readonly #server: Server;
  #daemon: ChildProcess;

  private constructor(
    parts: { readonly namespace: NetworkNamespace; readonly directory: string },
    door: ChildProcess,
    server: Server,
    daemon: ChildProcess,
  ) {
    this.namespace = parts.namespace;
    this.directory = parts.directory;
    this.#door = door;
    this.#server = server;
    this.#daemon = daemon;
  }

  static async join(
    namespace: NetworkNamespace,
    {
      name,
      master,
      folder,
    }: {
      readonly name: string;
      readonly master: ScriptedMaster;
      readonly folder: string;
    },
  ): Promise<NamespaceMember> {
    const port = portOf(master.endpoint);
    const socketPath = join(folder, `${name}.sock`);
    const server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      near.on('error', () => far.destroy()).on('close', () => far.destroy());
      far.on('error', () => near.destroy()).on('close', () => near.destroy());
      near.pipe(far).pipe(near);
    });
    server.listen(socketPath);
    await once(server, 'listening');
    const door = forkIn(namespace, fileOf('namespace-door-main.ts'), [String(port), socketPath]);
    await once(door, 'message');
    const directory = join(folder, name);
    const line = ['member', 'join', await master.invite(), '--dir', directory, '--name', name];
    const daemon = forkIn(namespace, fileOf('../../src/bin/hanse.ts'), line);
    return new NamespaceMember({ namespace, directory }, door, server, daemon);
  }

  /** Without a warning. */
  async kill(): Promise<void> {
    this.#daemon.kill('SIGKILL');
    await once(this.#daemon, 'exit');
  }

  /** Another daemon on what the last one has left. */
  restart(): void {
    const line = ['member', 'run', '--dir', this.directory];
    this.#daemon = forkIn(this.namespace, fileOf('../../src/bin/hanse.ts'), line);
  }

  /** Of the only membership; undefined while there is none. */
  async status(): Promise<MembershipStatus | undefined> {
    const status = callLocal(memberSocketOf({ dir: this.directory }), localStatus, undefined);
    return (await status.catch(() => undefined))?.memberships[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.#daemon, this.#door]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    this.#server.close();
  }
}

function forkIn(namespace: NetworkNamespace, main: string, args: readonly string[]): ChildProcess {
  return fork(main, args, {
    execPath: 'ip',
    execArgv: ['netns', 'exec', namespace.name, process.execPath],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}
