import type { LabNode } from '../lab-node.ts';
import type { LabProcess } from '../lab-process.ts';
import { hanseProgram } from './hanse-program.ts';

/** Long, because the machine may be busy with other tests. */
const startTimeoutMs = 60_000;
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

  /** Resolves when it serves and acts for its subset. @throws Error with its output when it ends or is too slow */
  async start(): Promise<void> {
    await this.startAsBackup();
    await this.process.waitForOutput(/acting for the subset/, startTimeoutMs);
  }

  /** Resolves when it serves, whoever acts. @throws as `start` */
  async startAsBackup(): Promise<void> {
    this.#process = await this.node.start(hanseProgram, this.runArguments);
    await this.#process.waitForOutput(/"serving"/, startTimeoutMs);
  }

  /** What `hanse` is started with. */
  get runArguments(): readonly string[] {
    const where = ['--dir', this.#directory, '--name', this.name];
    return ['master', 'run', ...where, '--metrics-listen', metricsListen];
  }

  get process(): LabProcess {
    if (this.#process) return this.#process;
    throw new Error(`master ${this.name} was not started`);
  }

  /** The daemon alone, at once, without a chance to clean up; its tunnels stay. */
  async kill(): Promise<void> {
    await this.process.kill('SIGKILL');
    await this.process.waitForExit(startTimeoutMs);
  }
}
