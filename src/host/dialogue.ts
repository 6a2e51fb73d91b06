import { type EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { type BoundedOutput, collectOutput, splitLines } from './bounded-output.ts';
import { commandFailed } from './command-failure.ts';

/** A program that answers each line with a line. After the first failure it is over. */
export interface Dialogue extends AsyncDisposable {
  /** Whether the program has ended, or is about to: nobody answers any more. */
  readonly isOver: boolean;
  /**
   * One at a time. The program is killed when the answer takes too long.
   *
   * @throws HostError `command-failed` when it answers too late, too much, with a complaint, or ends
   */
  ask(question: string, options: { readonly timeoutMs: number }): Promise<string>;
}

/** What Node makes of a process whose three streams are pipes. */
export interface TalkingProcess extends EventEmitter {
  readonly stdin: Socket;
  readonly stdout: Socket;
  readonly stderr: Socket;
  kill(signal: NodeJS.Signals): boolean;
  ref(): void;
  unref(): void;
}

export interface DialogueOptions {
  readonly isAnswer: (line: string) => boolean;
  readonly maxAnswerBytes: number;
}

const maxStderrBytes = 16 * 1024;
/** For ending by itself when its input has ended. */
const endTimeoutMs = 1_000;

export class PipeDialogue implements Dialogue {
  readonly #child: TalkingProcess;
  readonly #complaints: BoundedOutput;
  /** Rejects when the program has ended, with what it said. */
  readonly #end: Promise<never>;
  #isOver = false;
  #whyStopped: string | undefined;
  #answer: ((line: string) => void) | undefined;

  /** @param line what was run, for errors */
  constructor(child: TalkingProcess, line: readonly string[], options: DialogueOptions) {
    const { isAnswer, maxAnswerBytes } = options;
    this.#child = child;
    this.#complaints = collectOutput(child.stderr, maxStderrBytes);
    this.#end = this.#awaitEnd(line);
    // Whoever asks next is told.
    this.#end.catch(() => {});
    // Nor does the input break for another reason than that the program has ended.
    child.stdin.on('error', () => {});
    // A complaint stands for an answer. Its other half comes before the program ends.
    child.stderr.once('data', () => this.#finish());
    splitLines(child.stdout, maxAnswerBytes, {
      onLine: (text) => isAnswer(text) && this.#answer?.(text),
      onTooLong: () => this.#stop('printed too much'),
    });
    this.#keepRunning(false);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  async ask(question: string, { timeoutMs }: { readonly timeoutMs: number }): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(() => this.#stop(`took over ${timeoutMs} ms`), timeoutMs);
    this.#answer = resolve;
    this.#keepRunning(true);
    this.#child.stdin.write(`${question}\n`);
    try {
      return await Promise.race([promise, this.#end]);
    } finally {
      clearTimeout(timer);
      this.#answer = undefined;
      this.#keepRunning(false);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#stop('did not end'), endTimeoutMs);
    this.#finish();
    this.#keepRunning(true);
    await this.#end.catch(() => {});
    clearTimeout(timer);
  }

  async #awaitEnd(line: readonly string[]): Promise<never> {
    const [code] = (await once(this.#child, 'close')) as [number | null];
    this.#isOver = true;
    const reason = this.#whyStopped;
    throw commandFailed(line, this.#complaints.text(), { exitCode: code ?? undefined, reason });
  }

  #finish(): void {
    this.#isOver = true;
    this.#child.stdin.end();
  }

  #stop(why: string): void {
    this.#isOver = true;
    this.#whyStopped ??= why;
    this.#child.kill('SIGKILL');
    // What it has started itself may hold the other ends.
    this.#child.stdout.destroy();
    this.#child.stderr.destroy();
  }

  /** Whether Node waits for the program. */
  #keepRunning(isAwaited: boolean): void {
    const { stdin, stdout, stderr } = this.#child;
    for (const handle of [this.#child, stdin, stdout, stderr]) {
      if (isAwaited) handle.ref();
      else handle.unref();
    }
  }
}
