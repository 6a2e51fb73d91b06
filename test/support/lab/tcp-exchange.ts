import { fileURLToPath } from 'node:url';
import type { LabNode } from '../../../lab/lab-node.ts';
import type { LabProcess } from '../../../lab/lab-process.ts';

const program = fileURLToPath(new URL('./tcp-exchange-main.ts', import.meta.url));
/** Long, because the machine may be busy with other tests. */
const startTimeoutMs = 30_000;

/** What has become of one TCP connection over which a byte goes every ten milliseconds and comes back. */
export interface TcpRecord {
  readonly sent: number;
  readonly echoed: number;
  readonly isOpen: boolean;
  /** The longest time without an echo, the last one included. */
  readonly longestGapMs: number;
}

/** One connection from node to node. */
export class TcpExchange {
  /** Whom the other end sees. */
  readonly seenAs: string;
  readonly #sender: LabProcess;
  readonly #echo: LabProcess;

  private constructor(sender: LabProcess, echo: LabProcess, seenAs: string) {
    this.#sender = sender;
    this.#echo = echo;
    this.seenAs = seenAs;
  }

  /** Resolves when it is open. @param port free at `to` */
  static async start(
    from: LabNode,
    to: { readonly node: LabNode; readonly address: string },
    port: number,
  ): Promise<TcpExchange> {
    const echo = await to.node.start(process.execPath, [program, 'echo', String(port)]);
    await echo.waitForOutput(/ready/, startTimeoutMs);
    const line = [program, 'send', to.address, String(port)];
    const sender = await from.start(process.execPath, line);
    await sender.waitForOutput(/connected/, startTimeoutMs);
    const [, seenAs = ''] = await echo.waitForOutput(/from (\S+)/, startTimeoutMs);
    return new TcpExchange(sender, echo, seenAs);
  }

  async stop(): Promise<TcpRecord> {
    await this.#sender.kill('SIGTERM');
    const [text] = await this.#sender.waitForOutput(/^\{.*\}$/m, startTimeoutMs);
    await this.#sender.waitForExit(startTimeoutMs);
    await this.#echo.stop();
    return JSON.parse(text) as TcpRecord;
  }
}
