import type { LabNode } from '../../../lab/lab-node.ts';
import type { LabProcess } from '../../../lab/lab-process.ts';

const intervalSeconds = '0.005';
const answerTimeoutMs = 60_000;

export interface StreamOutcome {
  readonly answered: number;
  /** The numbers of requests that were not answered although later ones were. */
  readonly lost: readonly number[];
}

/** Echo requests, one every five milliseconds, for as long as a test needs. */
export class PingStream {
  readonly #process: LabProcess;

  private constructor(process: LabProcess) {
    this.#process = process;
  }

  /** Resolves when the first answer is there. */
  static async start(from: LabNode, address: string): Promise<PingStream> {
    // Line by line, or the file would be silent for thousands of answers.
    const line = ['-oL', 'ping', '-n', '-i', intervalSeconds, address];
    const stream = new PingStream(await from.start('stdbuf', line));
    await stream.#process.waitForOutput(/icmp_seq=/, answerTimeoutMs);
    return stream;
  }

  async stop(): Promise<StreamOutcome> {
    await this.#process.kill('SIGINT');
    await this.#process.waitForExit(answerTimeoutMs);
    const output = await this.#process.output();
    const answered = new Set(
      Array.from(output.matchAll(/ icmp_seq=(\d+) ttl=/g), ([, number]) => Number(number)),
    );
    const [first = 0] = answered;
    // The ones after the last answer may be on their way.
    const last = Math.max(first, [...answered].at(-1) ?? first);
    const all = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    return { answered: answered.size, lost: all.filter((number) => !answered.has(number)) };
  }
}
