import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { StartedProcess } from '../src/host/runner.ts';
import { ignoreGone, isAlive, type ProcessIdentity } from './process-table.ts';

const pollMs = 10;
const defaultStopTimeoutMs = 5_000;

/** A program that runs in one of the lab's namespaces. It ends with the lab at the latest. */
export class LabProcess implements AsyncDisposable {
  readonly pid: number;
  /** Both outputs. */
  readonly logPath: string;
  readonly #identity: ProcessIdentity | undefined;
  readonly #exited: Promise<number | undefined>;

  /** @param identity undefined when it has ended already */
  constructor(started: StartedProcess, identity: ProcessIdentity | undefined, logPath: string) {
    this.pid = started.pid;
    this.logPath = logPath;
    this.#identity = identity;
    this.#exited = started.exited;
  }

  async isRunning(): Promise<boolean> {
    return this.#identity !== undefined && (await isAlive(this.#identity));
  }

  /** What it has printed so far. */
  output(): Promise<string> {
    return readFile(this.logPath, 'utf8');
  }

  /**
   * Resolves with the match as soon as the output has one.
   * @throws Error with the output, when the process ends or the time passes without
   */
  async waitForOutput(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      // In this order, or what it printed last would be missed.
      const running = await this.isRunning();
      const text = await this.output();
      const match = pattern.exec(text);
      if (match) return match;
      if (!running || performance.now() > deadlineMs) {
        const why = running ? `within ${timeoutMs} ms` : 'before it ended';
        throw new Error(`process ${this.pid} did not print ${pattern} ${why}:\n${text}`);
      }
      await delay(pollMs);
    }
  }

  /** Harmless when it has ended. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    if (!(await this.isRunning())) return;
    try {
      process.kill(this.pid, signal);
    } catch (error) {
      ignoreGone(error);
    }
  }

  /**
   * Resolves with the exit code, or undefined if a signal ended it.
   * @throws Error when it still runs after the time
   */
  async waitForExit(timeoutMs: number): Promise<number | undefined> {
    const deadlineMs = performance.now() + timeoutMs;
    // Nothing but a timer keeps this program alive while it waits for another.
    while (await this.isRunning()) {
      if (performance.now() > deadlineMs) {
        throw new Error(`process ${this.pid} still runs after ${timeoutMs} ms`);
      }
      await delay(pollMs);
    }
    // The news of the end comes after it, and does not keep this program alive either.
    const alive = setInterval(() => undefined, pollMs);
    try {
      return await this.#exited;
    } finally {
      clearInterval(alive);
    }
  }

  /** By SIGTERM, and by SIGKILL if that is not enough. @returns as `waitForExit` */
  async stop(timeoutMs = defaultStopTimeoutMs): Promise<number | undefined> {
    await this.kill('SIGTERM');
    try {
      return await this.waitForExit(timeoutMs);
    } catch {
      // It had its time.
      await this.kill('SIGKILL');
      return await this.waitForExit(timeoutMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
