import { fileURLToPath } from 'node:url';
import type { LabNode } from './lab-node.ts';
import type { LabProcess } from './lab-process.ts';

const program = fileURLToPath(new URL('./packet-stream-process.ts', import.meta.url));
const startTimeoutMs = 30_000;

/** When each packet went out and its echo came back, by `monotonicMs`; null for never. */
export interface PacketRecord {
  readonly sentAtMs: readonly number[];
  readonly answeredAtMs: readonly (number | null)[];
}

/** A time without echoes. */
export interface Gap {
  readonly fromMs: number;
  readonly lengthMs: number;
}

export interface StreamResult extends PacketRecord {
  /** The numbers of packets without an echo, apart from those that were on their way at the end. */
  readonly lost: readonly number[];
  /** The longest time between two packets that were sent one after the other and echoed; the interval when none was lost. */
  readonly longestGap: Gap;
}

/** The machine's monotonic clock, as the stream's processes read it. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

/**
 * UDP packets at a steady pace from one node to another, which sends them back: what both ways lose,
 * and for how long.
 */
export class PacketStream {
  readonly #sender: LabProcess;
  readonly #echo: LabProcess;

  private constructor(sender: LabProcess, echo: LabProcess) {
    this.#sender = sender;
    this.#echo = echo;
  }

  /**
   * Resolves when the first echo is back.
   * @param to the node where the address is
   * @param port free at `to`
   */
  static async start(
    from: LabNode,
    to: { readonly node: LabNode; readonly address: string },
    { intervalMs = 5, port = 7_007 }: { readonly intervalMs?: number; readonly port?: number } = {},
  ): Promise<PacketStream> {
    const echo = await to.node.start(process.execPath, [program, 'echo', String(port)]);
    await echo.waitForOutput(/ready/, startTimeoutMs);
    const line = [program, 'send', to.address, String(port), String(intervalMs)];
    const sender = await from.start(process.execPath, line);
    await sender.waitForOutput(/flowing/, startTimeoutMs);
    return new PacketStream(sender, echo);
  }

  async stop(): Promise<StreamResult> {
    await this.#sender.kill('SIGTERM');
    const [text] = await this.#sender.waitForOutput(/^\{.*\}$/m, startTimeoutMs);
    await this.#sender.waitForExit(startTimeoutMs);
    await this.#echo.stop();
    return evaluate(JSON.parse(text) as PacketRecord);
  }
}

function evaluate({ sentAtMs, answeredAtMs }: PacketRecord): StreamResult {
  const answered = answeredAtMs.flatMap((at, number) => (at === null ? [] : [number]));
  const [first = 0, last = 0] = [answered[0], answered.at(-1)];
  const lost = answeredAtMs.flatMap((at, number) =>
    at === null && number > first && number < last ? [number] : [],
  );
  let longestGap: Gap = { fromMs: 0, lengthMs: 0 };
  for (const [index, number] of answered.entries()) {
    const next = answered[index + 1];
    if (next === undefined) break;
    const fromMs = sentAtMs[number] ?? 0;
    const lengthMs = (sentAtMs[next] ?? 0) - fromMs;
    if (lengthMs > longestGap.lengthMs) longestGap = { fromMs, lengthMs };
  }
  return { sentAtMs, answeredAtMs, lost, longestGap };
}
