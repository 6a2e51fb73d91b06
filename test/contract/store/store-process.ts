import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Change } from '../../../src/store/store.ts';
import type { ChildCommand, ChildReport } from './child-protocol.ts';
import { eventually, within } from './wait.ts';

const childPath = fileURLToPath(new URL('./child.ts', import.meta.url));

/** A real process with the store open, which can be told what to do and be killed in the midst of it. */
export class StoreProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #reports: ChildReport[] = [];
  #isToEnd = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
    child.on('message', (report: ChildReport) => this.#reports.push(report));
    child.on('exit', (code, signal) => {
      if (this.#isToEnd) return;
      const message = `it ended by itself, with ${signal ?? `code ${code}`}`;
      this.#reports.push({ kind: 'failed', message });
    });
  }

  /** @param networkNamespace where it runs, as `ip netns` knows it; this process's own unless given */
  static async start(url: string, networkNamespace?: string): Promise<StoreProcess> {
    const inside = ['netns', 'exec', networkNamespace ?? '', process.execPath];
    const child = fork(childPath, [url], {
      serialization: 'advanced',
      // The runner's own options would make the child a test runner too.
      execArgv: networkNamespace === undefined ? [] : inside,
      ...(networkNamespace === undefined ? {} : { execPath: 'ip' }),
    });
    const started = new StoreProcess(child);
    await started.reported('ready');
    return started;
  }

  tell(command: ChildCommand): void {
    this.#child.send(command);
  }

  /** Waits until there have been so many reports of the kind. A failure that it reports fails the wait. */
  async reported(kind: ChildReport['kind'], count = 1): Promise<void> {
    await eventually(`${count} reports "${kind}" of the other process`, () => {
      const failure = this.#reports.find((report) => report.kind === 'failed');
      assert.ok(!failure, JSON.stringify(failure));
      return this.#of(kind).length >= count;
    });
  }

  get acknowledged(): readonly { readonly number: number; readonly revision: number }[] {
    return this.#of('acknowledged');
  }

  /** All that it has seen change, in the order in which it was delivered. */
  get changes(): readonly Change[] {
    return this.#of('batch').flatMap((report) => report.batch.changes);
  }

  /** Reads or writes once. @returns what came of it */
  async attempt(
    what: 'get' | 'put',
    key: string,
  ): Promise<{ readonly outcome: string; readonly value?: string }> {
    const before = this.#of('attempted').length;
    this.tell({ kind: 'attempt', what, key });
    await this.reported('attempted', before + 1);
    return this.#of('attempted')[before] ?? assert.fail('it was reported');
  }

  /** It does nothing more until `resume`, and does not notice. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGKILL; resolves when it is dead and all its reports have come. */
  async kill(): Promise<void> {
    this.#isToEnd = true;
    this.#child.kill('SIGKILL');
    await within('the other process is dead', this.#exited);
    if (this.#child.connected) await once(this.#child, 'disconnect');
  }

  /** Lets it close the store and end by itself. */
  async close(): Promise<void> {
    this.#isToEnd = true;
    this.tell({ kind: 'close' });
    await within('the other process has ended', this.#exited);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
  }

  #of<Kind extends ChildReport['kind']>(kind: Kind): Extract<ChildReport, { kind: Kind }>[] {
    return this.#reports.filter(
      (report): report is Extract<ChildReport, { kind: Kind }> => report.kind === kind,
    );
  }
}
