import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { OpenPair, PairRequest, RelayKind } from '../../src/host/relay/relay.ts';
import type { RelayedTraffic } from '../../src/host/relay/relayed-pair.ts';
import type { RelayCall, RelayProcessOptions, RelayReply } from './relay-process-main.ts';

/** A `Relay` in a process of its own inside a namespace, as a daemon is; it can be killed. */
export class RelayProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: RelayReply) => void>();
  #serial = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.once('exit', () => {
      for (const [id, finish] of this.#waiting) finish({ id, failure: 'the process has ended' });
    });
    child.on('message', (reply: RelayReply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  /** @param namespace as `ip netns` knows it */
  static start(namespace: string, options: RelayProcessOptions): RelayProcess {
    const main = fileURLToPath(new URL('relay-process-main.ts', import.meta.url));
    return new RelayProcess(
      fork(main, [JSON.stringify(options)], {
        execPath: 'ip',
        execArgv: ['netns', 'exec', namespace, process.execPath],
      }),
    );
  }

  async kind(): Promise<RelayKind> {
    return (await this.#call({ name: 'kind' })) as RelayKind;
  }

  async open(request: PairRequest): Promise<OpenPair> {
    return (await this.#call({ name: 'open', request })) as OpenPair;
  }

  async close(id: string): Promise<void> {
    await this.#call({ name: 'close', id });
  }

  async readTraffic(): Promise<ReadonlyMap<string, RelayedTraffic>> {
    return new Map((await this.#call({ name: 'traffic' })) as [string, RelayedTraffic][]);
  }

  /** Takes away what a killed one has left. */
  async remove(): Promise<void> {
    await this.#call({ name: 'remove' });
  }

  /** As a crash would: without any warning. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  /** Ends it in good order. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    await this.#call({ name: 'dispose' });
    await this.kill();
  }

  async #call(call: RelayCall): Promise<unknown> {
    this.#serial += 1;
    const id = this.#serial;
    const reply = await new Promise<RelayReply>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, call });
    });
    if (reply.failure === undefined) return reply.value;
    throw new Error(reply.failure);
  }
}
