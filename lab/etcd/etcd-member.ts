import { join } from 'node:path';
import { createRunner } from '../../src/host/runner.ts';
import type { LabLink } from '../lab-link.ts';
import type { LabNode } from '../lab-node.ts';
import { LabProcess } from '../lab-process.ts';
import { identifyProcess } from '../process-table.ts';
import { clientPort, type MemberPlan } from './member-arguments.ts';

/** A busy machine with slow disks may take long for three of them at once. */
const startTimeoutMs = 60_000;
const endTimeoutMs = 10_000;

/** Where a member runs, when not on a loopback address. */
export interface MemberPlace {
  readonly node: LabNode;
  readonly link: LabLink;
}

/** One member of a cluster: a process, which may be running, stopped or dead, and its data. */
export class EtcdMember implements AsyncDisposable {
  readonly name: string;
  /** `host:port` for clients. */
  readonly endpoint: string;
  readonly #arguments: readonly string[];
  readonly #logDirectory: string;
  readonly #place: MemberPlace | undefined;
  #process: LabProcess | undefined;
  #starts = 0;

  constructor(
    plan: MemberPlan,
    programArguments: readonly string[],
    {
      logDirectory,
      place,
    }: { readonly logDirectory: string; readonly place: MemberPlace | undefined },
  ) {
    this.name = plan.name;
    this.endpoint = `${plan.address}:${clientPort}`;
    this.#arguments = programArguments;
    this.#logDirectory = logDirectory;
    this.#place = place;
  }

  /** Resolves when the process runs; see `waitUntilReady`. */
  async start(): Promise<void> {
    this.#starts += 1;
    const logPath = join(this.#logDirectory, `${this.name}-${this.#starts}.log`);
    const runner = this.#place?.node.runner ?? createRunner();
    // It dies with us, also when we are killed.
    const line = ['--pdeathsig', 'KILL', 'etcd', ...this.#arguments];
    // The package's own settings are for the machine's service.
    const env = { ETCD_UNSUPPORTED_ARCH: process.arch };
    const started = await runner.start('setpriv', line, { logPath, env });
    this.#process = new LabProcess(started, await identifyProcess(started.pid), logPath);
  }

  /** Resolves when it answers clients, for which the cluster needs a majority. */
  async waitUntilReady(): Promise<void> {
    await this.#running().waitForOutput(/ready to serve client requests/, startTimeoutMs);
  }

  /** At once, as a machine's loss of power; resolves when it is dead. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await process?.kill('SIGKILL');
    await process?.waitForExit(endTimeoutMs);
  }

  /** Starts it again on the data that it has. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
    await this.waitUntilReady();
  }

  /** It stays connected, and says nothing more. */
  pause(): Promise<void> {
    return this.#running().kill('SIGSTOP');
  }

  resume(): Promise<void> {
    return this.#running().kill('SIGCONT');
  }

  /** Cuts it off from the other members and from clients elsewhere; clients in its own node reach it. */
  isolate(): Promise<void> {
    return this.#linked().cut();
  }

  rejoin(): Promise<void> {
    return this.#linked().restore();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  #running(): LabProcess {
    if (!this.#process) throw new Error(`${this.name} does not run`);
    return this.#process;
  }

  #linked(): LabLink {
    if (!this.#place) throw new Error(`${this.name} is not in a lab: it has no link to cut`);
    return this.#place.link;
  }
}
