import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { LabNode } from './lab-node.ts';

const program = fileURLToPath(new URL('./udp-probe-process.ts', import.meta.url));

export interface UdpEndpoint {
  readonly address: string;
  readonly port: number;
}

/** As it goes to the probe's process, and comes from it: to whom or from whom, and what. */
export interface UdpDatagram extends UdpEndpoint {
  readonly text: string;
}

/** Long enough for any datagram on this machine, and not waited for when one comes. */
const defaultTimeoutMs = 5_000;

/**
 * A UDP socket of both families inside a node, led from here: what does it see, and who reaches it?
 * For a stream of packets at a steady pace there is `PacketStream`.
 */
export class UdpProbe implements AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #received: UdpDatagram[] = [];
  readonly #news = new EventTarget();

  private constructor(namespace: string, port: number) {
    this.#process = spawn(
      'ip',
      ['netns', 'exec', namespace, process.execPath, program, String(port)],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
  }

  /** Resolves when it receives. @param port free at the node */
  static async open(node: LabNode, port: number): Promise<UdpProbe> {
    const probe = new UdpProbe(node.namespace, port);
    const lines = createInterface({ input: probe.#process.stdout });
    await once(lines, 'line');
    lines.on('line', (line) => {
      probe.#received.push(JSON.parse(line) as UdpDatagram);
      probe.#news.dispatchEvent(new Event('datagram'));
    });
    return probe;
  }

  /** What cannot be sent is lost, as anywhere. */
  send({ address, port }: UdpEndpoint, text: string): void {
    this.#process.stdin.write(`${JSON.stringify({ address, port, text })}\n`);
  }

  /**
   * The datagram with that text; undefined for silence. Others that come meanwhile can be asked for
   * later.
   */
  async receive(text: string, timeoutMs = defaultTimeoutMs): Promise<UdpDatagram | undefined> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const found = this.#received.find((datagram) => datagram.text === text);
      if (found || signal.aborted) return found;
      await once(this.#news, 'datagram', { signal }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'close');
    this.#process.stdin.end();
    await ended;
  }
}
