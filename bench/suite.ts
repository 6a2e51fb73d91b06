import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../src/model/error.ts';
import { BenchDirectory } from './bench-directory.ts';
import type { Figure } from './figure.ts';
import type { Part, PartContext } from './part.ts';
import { describeMachine, type Report } from './report.ts';
import { measureInSandbox } from './sandbox.ts';

/** Runs parts one after the other, so that they do not disturb each other. One that fails does not stop the rest. */
export async function runSuite(
  suite: string,
  parts: readonly Part[],
  { runs }: Pick<PartContext, 'runs'> = {},
): Promise<Report> {
  const machine = describeMachine();
  const startedAt = new Date().toISOString();
  const figures: Figure[] = [];
  const failures: { part: string; reason: string }[] = [];
  await using directory = await BenchDirectory.create();
  // A lab's programs keep nobody alive: who waits for one to end would end first.
  const alive = setInterval(() => undefined, 60_000);
  for (const part of parts) {
    const progress = (message: string): void => {
      process.stderr.write(`${part.name}: ${message}\n`);
    };
    progress(part.summary);
    try {
      const context = {
        directory: join(directory.path, part.name),
        progress,
        ...(runs === undefined ? {} : { runs }),
      };
      figures.push(...(await measure(suite, part, context)));
    } catch (error) {
      const reason = describeError(error);
      progress(`failed: ${reason}`);
      failures.push({ part: part.name, reason: reason.split('\n')[0] ?? '' });
    }
  }
  clearInterval(alive);
  return { suite, startedAt, machine, figures, failures };
}

async function measure(
  suite: string,
  part: Part,
  context: PartContext,
): Promise<readonly Figure[]> {
  await mkdir(context.directory, { mode: 0o700 });
  return part.place === 'sandbox'
    ? measureInSandbox({ suite, part: part.name }, context)
    : part.measure(context);
}
