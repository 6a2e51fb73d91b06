import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { killProcessesInside } from '../../lab/namespaces.ts';
import { createOperatorClient } from '../../src/api/client/operator-client.ts';
import type { OperatorProfile } from '../../src/api/client/operator-profile.ts';
import { getStatus, type MasterStatus } from '../../src/api/status-endpoints.ts';
import type { MasterName } from '../../src/model/names.ts';
import { hanseCommand } from './hanse-program.ts';
import { cpuSecondsOf, residentBytesOf } from './process-usage.ts';
import { waitUntil } from './wait-until.ts';

export interface MasterProcessOptions {
  readonly name: MasterName;
  /** The VPN's data directory. */
  readonly directory: string;
  readonly profile: OperatorProfile;
  /** As `ip netns` knows it. */
  readonly namespace: string;
}

const stopTimeoutMs = 20_000;

/** A `hanse master run` of its own process, and what it costs. */
export class MasterProcess implements AsyncDisposable {
  readonly name: MasterName;
  readonly #child: ChildProcess;
  readonly #profile: OperatorProfile;
  readonly #logPath: string;
  readonly #namespace: string;

  private constructor(child: ChildProcess, logPath: string, options: MasterProcessOptions) {
    this.name = options.name;
    this.#child = child;
    this.#logPath = logPath;
    this.#namespace = options.namespace;
    const masters = options.profile.masters.filter(({ name }) => name === options.name);
    this.#profile = { ...options.profile, masters };
  }

  /** Returns at once: `HANSE_BENCH_NODE_OPTIONS` reaches its Node, to profile it. */
  static spawn(options: MasterProcessOptions): MasterProcess {
    const { name, directory, namespace } = options;
    const logPath = join(directory, `${name}.log`);
    const log = openSync(logPath, 'a');
    const hanse = hanseCommand(['master', 'run', '--name', name, '--dir', directory]);
    const nodeOptions = process.env['HANSE_BENCH_NODE_OPTIONS'] ?? '';
    const child = spawn('ip', ['netns', 'exec', namespace, ...hanse], {
      stdio: ['ignore', log, log],
      env: { ...process.env, NODE_OPTIONS: nodeOptions },
    });
    return new MasterProcess(child, logPath, options);
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`master ${this.name} was not started`);
    return this.#child.pid;
  }

  /** Asks this master and no other. */
  status(): Promise<MasterStatus> {
    return createOperatorClient({ profile: this.#profile }).call(getStatus, {});
  }

  /** Waits until the master answers an operator, and the answer satisfies. */
  async serving(
    satisfies: (status: MasterStatus) => boolean,
    timeoutMs: number,
  ): Promise<MasterStatus> {
    try {
      return await waitUntil(`master ${this.name} serves`, timeoutMs, () => this.#try(satisfies));
    } catch (cause) {
      const log = (await readFile(this.#logPath, 'utf8')).slice(-2_000);
      throw new Error(`master ${this.name} does not serve:\n${log}`, { cause });
    }
  }

  async #try(satisfies: (status: MasterStatus) => boolean): Promise<MasterStatus | undefined> {
    if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}`);
    // It does not listen yet.
    const status = await this.status().catch(() => undefined);
    return status && satisfies(status) ? status : undefined;
  }

  residentBytes(): Promise<number> {
    return residentBytesOf(this.pid);
  }

  cpuSeconds(): Promise<number> {
    return cpuSecondsOf(this.pid);
  }

  /** As if its machine lost its power: the daemon ends at once, and with it every program of its tunnels. */
  async crash(): Promise<void> {
    const exited = this.#hasExited ? undefined : once(this.#child, 'exit');
    await killProcessesInside(this.#namespace);
    await exited;
  }

  /** By SIGTERM, so that it gives its leases back; its tunnels stay. */
  async stop(): Promise<void> {
    if (this.#hasExited) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs);
    await exited;
    clearTimeout(timer);
  }

  get #hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
