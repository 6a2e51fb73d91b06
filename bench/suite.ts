import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../src/model/error.ts';
import type { Figure } from './figure.ts';
import type { Part, PartContext } from './part.ts';
import { describeMachine, type Report } from './report.ts';
import { measureInSandbox } from './sandbox.ts';

/** On a disk, as the store would be: /tmp may be memory. */
const directoryPrefix = '/var/tmp/hanse-bench-';

/** Runs parts one after the other, so that they do not disturb each other. One that fails does not stop the rest. */
export async function runSuite(suite: string, parts: readonly Part[]): Promise<Report> {
  const machine = describeMachine();
  const startedAt = new Date().toISOString();
  const figures: Figure[] = [];
  const failures: { part: string; reason: string }[] = [];
  const directory = await mkdtemp(directoryPrefix);
  // A lab's programs keep nobody alive, who waits for one to end would end first.
  const alive = setInterval(() => undefined, 60_000);
  try {
    for (const part of parts) {
      const progress = (message: string): void => {
        process.stderr.write(`${part.name}: ${message}\n`);
      };
      progress(part.summary);
      try {
        figures.push(...(await measure(part, { directory: join(directory, part.name), progress })));
      } catch (error) {
        progress(`failed: ${describeError(error)}`);
        failures.push({ part: part.name, reason: describeError(error).split('\n')[0] ?? '' });
      }
    }
  } finally {
    clearInterval(alive);
    await rm(directory, { recursive: true, force: true });
  }
  return { suite, startedAt, machine, figures, failures };
}

async function measure(part: Part, context: PartContext): Promise<readonly Figure[]> {
  await mkdir(context.directory, { mode: 0o700 });
  return part.place === 'sandbox' ? measureInSandbox(part, context) : part.measure(context);
}
