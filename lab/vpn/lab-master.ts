import type { LabNode } from '../lab-node.ts';
import type { LabProcess } from '../lab-process.ts';
import { hanseProgram } from './hanse-program.ts';

const startTimeoutMs = 20_000;
/** On the master's own loopback. */
const metricsListen = '127.0.0.1:9469';

export interface LabMasterOptions {
  readonly name: string;
  readonly node: LabNode;
  /** The VPN's data directory. */
  readonly directory: string;
  /** The subset that it acts for when nothing has failed. */
  readonly subset: string;
}

/** A master daemon in the lab. */
export class LabMaster {
  readonly name: string;
  readonly node: LabNode;
  readonly subset: string;
  /** Where its metrics are, inside its own network namespace. */
  readonly metrics = metricsListen;
  readonly #directory: string;
  #process: LabProcess | undefined;

  constructor({ name, node, directory, subset }: LabMasterOptions) {
    this.name = name;
    this.node = node;
    this.subset = subset;
    this.#directory = directory;
  }

  /** Resolves when it acts for its subset. @throws Error with its output when it ends or is too slow */
  async start(): Promise<void> {
    this.#process = await this.node.start(hanseProgram, [
      'master',
      'run',
      '--dir',
      this.#directory,
      '--name',
      this.name,
      '--metrics-listen',
      metricsListen,
    ]);
    await this.#process.waitForOutput(/acting for the subset/, startTimeoutMs);
  }

  get process(): LabProcess {
    if (this.#process) return this.#process;
    throw new Error(`master ${this.name} was not started`);
  }

  /** At once, without a chance to clean up. */
  async kill(): Promise<void> {
    await this.process.kill('SIGKILL');
    await this.process.waitForExit(startTimeoutMs);
  }
}
