import { fileURLToPath } from 'node:url';
import type { LabNode } from '../../../lab/lab-node.ts';
import type { LabProcess } from '../../../lab/lab-process.ts';

const program = fileURLToPath(new URL('./wire-tap-main.ts', import.meta.url));
const startTimeoutMs = 30_000;
const replayTimeoutMs = 120_000;

/** WireGuard's types of messages (whitepaper §5.4). */
export const wireTypes = { initiation: 1, response: 2, cookie: 3, data: 4 } as const;

/** A message of WireGuard as it went over IPv4. */
export interface WireMessage {
  /** One of `wireTypes`. */
  readonly type: number;
  readonly fromPort: number;
  readonly toAddress: string;
  readonly toPort: number;
  /** In base64, sealed as it is. */
  readonly payload: string;
}

/** Whoever is on the wire of a node: hears all that WireGuard sends there, and can say it again. */
export class WireTap {
  readonly #recorder: LabProcess;

  private constructor(recorder: LabProcess) {
    this.#recorder = recorder;
  }

  /** Resolves when it hears. */
  static async on(node: LabNode): Promise<WireTap> {
    const recorder = await node.start(process.execPath, [program, 'record']);
    await recorder.waitForOutput(/recording/, startTimeoutMs);
    return new WireTap(recorder);
  }

  /** All that was sent so far, in its order; it hears no more. */
  async stop(): Promise<readonly WireMessage[]> {
    await this.#recorder.stop();
    const lines = (await this.#recorder.output()).split('\n');
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }
}

/** Sends them from the node, from the same ports, which must be free there. */
export async function replayMessages(
  node: LabNode,
  messages: readonly WireMessage[],
): Promise<void> {
  const input = messages.map((message) => JSON.stringify(message)).join('\n');
  await node.run(process.execPath, [program, 'replay'], { input, timeoutMs: replayTimeoutMs });
}
