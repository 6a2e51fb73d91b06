import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LabNode } from '../../../lab/lab-node.ts';
import type { LabProcess } from '../../../lab/lab-process.ts';
import { hanseProgram } from '../../../lab/vpn/hanse-program.ts';
import { LabMember } from '../../../lab/vpn/lab-member.ts';
import { until } from '../until.ts';
import { readMembership } from './member-session.ts';

export interface CrashableJoinOptions {
  readonly node: LabNode;
  readonly subset: string;
  readonly directory: string;
  /** For one use. */
  readonly token: string;
}

const exitTimeoutMs = 30_000;
const joinDeadlineMs = 120_000;

/**
 * A node that joins by `hanse member join` and is killed at any moment of it, and afterwards. What
 * runs again goes on with what the kill has left, with the same token.
 */
export class CrashableJoin {
  readonly #options: CrashableJoinOptions;
  #process: LabProcess | undefined;
  #member: LabMember | undefined;
  #resumed = false;

  constructor(options: CrashableJoinOptions) {
    this.#options = options;
  }

  async killAndRunAgain(): Promise<void> {
    const endedByItself = this.#process !== undefined && !(await this.#process.isRunning());
    await this.#process?.kill('SIGKILL');
    await this.#process?.waitForExit(exitTimeoutMs);
    await this.#run(endedByItself);
  }

  /** The member that has come of it. @throws when none has in two minutes */
  async joined(): Promise<LabMember> {
    const { node, subset, directory } = this.#options;
    if (!this.#process) await this.#run(false);
    await until(
      `${node.name} has joined`,
      async () => {
        const member = new LabMember(
          { name: node.name, subset, node, directory, ipv4: '', ipv6: '' },
          this.#running(),
        );
        const place = (await readMembership(member))?.place;
        if (place) {
          const { ipv4, ipv6 } = place;
          const facts = { name: node.name, subset, node, directory, ipv4, ipv6 };
          this.#member = new LabMember(facts, this.#running());
        }
        if (!place && !(await this.#running().isRunning())) await this.#run(true);
        return place !== undefined;
      },
      joinDeadlineMs,
    );
    if (!this.#member) throw new Error(`${node.name} has not joined`);
    return this.#member;
  }

  /** `join` where the disk knows nothing, else `run`, which goes on with what it finds. */
  async #run(endedByItself: boolean): Promise<void> {
    const { node, directory, token } = this.#options;
    const where = ['--dir', directory];
    const begun = existsSync(join(directory, 'member', 'memberships'));
    // A kill between two writes leaves nothing to go on with: `run` ends, and `join` is next.
    const resumes = begun && !(endedByItself && this.#resumed);
    this.#resumed = resumes;
    const line = resumes ? ['run'] : ['join', token, '--name', node.name];
    this.#process = await node.start(hanseProgram, ['member', ...line, ...where]);
  }

  #running(): LabProcess {
    if (this.#process) return this.#process;
    throw new Error(`${this.#options.node.name} was never started`);
  }
}
