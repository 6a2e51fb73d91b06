import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Conversation } from '../../src/host/firewall/conversation-listing.ts';
import type { DropCounts } from '../../src/host/firewall/drop-counters.ts';
import type { PeerObservation } from '../../src/host/host.ts';
import { HostError, type HostErrorCode } from '../../src/host/host-error.ts';
import type { HostState } from '../../src/model/host-state.ts';
import type { HostCall, HostReply } from './host-process-main.ts';

export interface HostProcessOptions {
  /** Name of the network namespace to run in. */
  readonly namespace: string;
  readonly owner: string;
  readonly notesDirectory: string;
}

const ended = { code: 'ended', message: 'the process has ended', fields: {} };

/** A `Host` in a process of its own inside a namespace, as a daemon is; it can be killed. */
export class HostProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: HostReply) => void>();
  #serial = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.once('exit', () => {
      for (const [id, finish] of this.#waiting) finish({ id, failure: ended });
    });
    child.on('message', (reply: HostReply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  static start({ namespace, owner, notesDirectory }: HostProcessOptions): HostProcess {
    const main = fileURLToPath(new URL('host-process-main.ts', import.meta.url));
    return new HostProcess(
      fork(main, [owner, notesDirectory], {
        execPath: 'ip',
        execArgv: ['netns', 'exec', namespace, process.execPath],
      }),
    );
  }

  async apply(state: HostState): Promise<void> {
    await this.#call({ name: 'apply', state });
  }

  async observe(): Promise<readonly PeerObservation[]> {
    return (await this.#call({ name: 'observe' })) as readonly PeerObservation[];
  }

  async observeInterface(interfaceName: string): Promise<readonly PeerObservation[]> {
    const call = { name: 'observeInterface', interfaceName } as const;
    return (await this.#call(call)) as readonly PeerObservation[];
  }

  async conversations(): Promise<readonly Conversation[]> {
    return (await this.#call({ name: 'conversations' })) as readonly Conversation[];
  }

  async begunConversations(): Promise<readonly Conversation[]> {
    return (await this.#call({ name: 'begunConversations' })) as readonly Conversation[];
  }

  async observeDrops(): Promise<DropCounts> {
    return (await this.#call({ name: 'drops' })) as DropCounts;
  }

  async destroy(): Promise<void> {
    await this.#call({ name: 'destroy' });
  }

  /** As a crash would: without any warning. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #call(call: HostCall): Promise<unknown> {
    this.#serial += 1;
    const id = this.#serial;
    const reply = await new Promise<HostReply>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, call });
    });
    if (reply.failure === undefined) return reply.value;
    const { code, message, fields } = reply.failure;
    throw new HostError(message, { code: code as HostErrorCode, fields });
  }
}
