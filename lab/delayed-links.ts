import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { DelayShape } from './delay-queue.ts';
import { LabError } from './lab-error.ts';

/** One line to the process that carries the packets. */
export interface DelayedLinkCommand {
  /** In the order in which the links were given. */
  readonly link: number;
  /** Of packets towards the core, or away from it. */
  readonly direction: 'up' | 'down';
  readonly shape: DelayShape;
}

const processFile = fileURLToPath(new URL('./delayed-links-process.ts', import.meta.url));

/** The names that the two devices of a link have until they are moved to their namespaces. */
export const delayedDevices = (link: number): { upper: string; lower: string } => ({
  upper: `upper${link}`,
  lower: `lower${link}`,
});

/**
 * The links of one lab whose packets a process of ours carries, because the kernel cannot delay. The
 * process ends with this one, and before that with whoever ends what is in its namespace.
 */
export class DelayedLinks {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  /** Answers come in the order of the commands, so each command waits for the one before. */
  #last: Promise<void>;

  private constructor(namespace: string, count: number) {
    const devices = Array.from({ length: count }, (_, link) => delayedDevices(link));
    const names = devices.flatMap(({ upper, lower }) => [upper, lower]);
    // A group of its own: Ctrl-C is for the owner, which then ends the lab in order.
    this.#process = spawn(
      'ip',
      ['netns', 'exec', namespace, process.execPath, processFile, ...names],
      { stdio: ['pipe', 'pipe', 'inherit'], detached: true },
    );
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
    this.#last = this.#answer();
  }

  /** Makes the devices of so many links in the namespace. @throws LabError `build-failed` */
  static async open(namespace: string, count: number): Promise<DelayedLinks> {
    const links = new DelayedLinks(namespace, count);
    await links.#last;
    return links;
  }

  /** Resolves when packets that come from now on are treated so. */
  reshape(command: DelayedLinkCommand): Promise<void> {
    this.#last = this.#last.then(() => {
      this.#process.stdin.write(`${JSON.stringify(command)}\n`);
      return this.#answer();
    });
    return this.#last;
  }

  async #answer(): Promise<void> {
    const { done } = await this.#answers.next();
    if (done) {
      throw new LabError('the process that carries the packets of delayed links has ended', {
        code: 'build-failed',
      });
    }
  }
}
