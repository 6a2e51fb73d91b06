import type { LabNode } from '../lab-node.ts';
import type { LabProcess } from '../lab-process.ts';
import { hanseProgram } from './hanse-program.ts';

const exitTimeoutMs = 20_000;

export interface LabMemberOptions {
  readonly name: string;
  readonly subset: string;
  readonly node: LabNode;
  /** The member's data directory. */
  readonly directory: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A member daemon in the lab. */
export class LabMember {
  readonly name: string;
  readonly subset: string;
  readonly node: LabNode;
  readonly directory: string;
  readonly ipv4: string;
  readonly ipv6: string;
  #process: LabProcess;

  constructor(options: LabMemberOptions, process: LabProcess) {
    this.name = options.name;
    this.subset = options.subset;
    this.node = options.node;
    this.directory = options.directory;
    this.ipv4 = options.ipv4;
    this.ipv6 = options.ipv6;
    this.#process = process;
  }

  /** As `hanse member evict` takes it. */
  get reference(): string {
    return `${this.name}.${this.subset}`;
  }

  get process(): LabProcess {
    return this.#process;
  }

  /** At once, without a chance to clean up. Its interfaces stay. */
  async kill(): Promise<void> {
    await this.#process.kill('SIGKILL');
    await this.#process.waitForExit(exitTimeoutMs);
  }

  /** Starts the daemon again, from what it has on its disk. */
  async restart(): Promise<void> {
    this.#process = await this.node.start(hanseProgram, ['member', 'run', '--dir', this.directory]);
  }

  /** What `hanse status --json` says on the member's machine. */
  async status(): Promise<unknown> {
    const { stdout } = await this.node.run(hanseProgram, [
      'status',
      '--json',
      '--dir',
      this.directory,
    ]);
    return JSON.parse(stdout);
  }
}
