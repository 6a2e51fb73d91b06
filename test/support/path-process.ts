import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { PathStatus, WatchedPath } from '../../src/paths/path-monitor.ts';
import type { ProbeSocketOptions } from '../../src/paths/probe-socket.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import type { PathCall, PathEvent } from './path-process-main.ts';

type Changed = Extract<PathEvent, { name: 'changed' }>;
type Asked = Extract<PathEvent, { name: 'asked' }>;

/** The watch over tunnels in a process of its own inside a namespace, which can be stopped and killed. */
export class PathProcess implements AsyncDisposable {
  /** What was reported so far. */
  readonly changes: Changed[] = [];
  readonly asked: Asked[] = [];
  /** Interface id and sequence number of each. */
  readonly strays: string[] = [];
  statuses: ReadonlyMap<string, PathStatus> = new Map();
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (event: PathEvent) => this.#take(event));
  }

  static async start(namespace: NetworkNamespace): Promise<PathProcess> {
    const main = fileURLToPath(new URL('path-process-main.ts', import.meta.url));
    const child = fork(main, {
      execPath: 'ip',
      execArgv: ['netns', 'exec', namespace.name, process.execPath],
    });
    const started = new PathProcess(child);
    await once(child, 'message');
    return started;
  }

  set(paths: readonly WatchedPath[]): void {
    this.#call({ name: 'set', paths });
  }

  sendStrays(interfaceName: string, ids: readonly bigint[]): void {
    this.#call({ name: 'strays', interfaceName, ids: ids.map((id) => id.toString()) });
  }

  respond(options: ProbeSocketOptions): void {
    this.#call({ name: 'respond', options });
  }

  /** Stands still until `SIGCONT`, as a busy machine makes a process stand still. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #call(call: PathCall): void {
    this.#child.send(call);
  }

  #take(event: PathEvent): void {
    switch (event.name) {
      case 'changed':
        this.changes.push(event);
        break;
      case 'asked':
        this.asked.push(event);
        break;
      case 'strays':
        this.strays.push(...event.ids);
        break;
      case 'statuses':
        this.statuses = new Map(event.statuses);
    }
  }
}
