import { createBridge } from './bed/master-network.ts';
import type { SandboxMessage, SandboxTask } from './sandbox.ts';
import { findPart } from './suites.ts';

/** The first process of a sandbox: measures one part and reports to the process outside. */
async function main({ suite, part, ...context }: SandboxTask): Promise<void> {
  // Whoever started this is gone: nobody waits for the figures any more.
  process.once('disconnect', () => process.exit(1));
  try {
    const progress = (message: string): void => void report({ kind: 'progress', message });
    await createBridge();
    await report({
      kind: 'figures',
      figures: await findPart(suite, part).measure({ ...context, progress }),
    });
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    await report({ kind: 'failed', reason });
  }
}

function report(message: SandboxMessage): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(message, () => resolve());
  });
}

await main(JSON.parse(process.argv[2] ?? '{}'));
process.exit();
