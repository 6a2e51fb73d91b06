import type { LabNode } from '../../../lab/lab-node.ts';
import { hanseProgram } from '../../../lab/vpn/hanse-program.ts';

/** How the program ended. */
export interface HanseOutcome {
  readonly exitCode: number | undefined;
  /** Both outputs, as they came. */
  readonly output: string;
}

/** Long, because the machine may be busy with other tests. */
const endTimeoutMs = 90_000;

/** Runs the real program on a node to its end, however that is. */
export async function hanseOutcome(
  node: LabNode,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<HanseOutcome> {
  const started = await node.start(hanseProgram, args, { env });
  const exitCode = await started.waitForExit(endTimeoutMs);
  return { exitCode, output: await started.output() };
}
