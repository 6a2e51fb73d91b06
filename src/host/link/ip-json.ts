import { z } from 'zod';
import type { Family } from '../../model/prefix.ts';
import { HostError, stderrOf } from '../host-error.ts';
import type { Runner } from '../runner.ts';

const timeoutMs = 10_000;

/**
 * Runs `ip -j ...` and reads its answer. Fields that the schema does not name are ignored.
 *
 * @throws HostError `command-failed`, `missing-program`, `unreadable-output`
 */
export async function readIpJson<S extends z.ZodType>(
  runner: Runner,
  args: readonly string[],
  elementSchema: S,
): Promise<z.infer<S>[]> {
  const { stdout } = await runner.run('ip', ['-j', ...args], { timeoutMs });
  const command = `ip -j ${args.join(' ')}`;
  try {
    // Some versions print nothing at all instead of an empty list.
    return z.array(elementSchema).parse(JSON.parse(stdout.trim() === '' ? '[]' : stdout));
  } catch (cause) {
    throw new HostError(`the answer of ${command} has a form that is not known`, {
      code: 'unreadable-output',
      fields: { command },
      cause,
    });
  }
}

/**
 * Runs commands of `ip` in one process, in their order, until the first that fails.
 *
 * @param family of all lines, for commands that do not see it in the addresses they are given
 * @throws HostError `command-failed`, naming the line
 */
export async function runIpBatch(
  runner: Runner,
  lines: readonly string[],
  { signal, family }: { readonly signal?: AbortSignal; readonly family?: Family } = {},
): Promise<void> {
  if (lines.length === 0) return;
  const options = { input: `${lines.join('\n')}\n`, timeoutMs, ...(signal ? { signal } : {}) };
  try {
    await runner.run('ip', [...(family ? [`-${family}`] : []), '-batch', '-'], options);
  } catch (error) {
    throw error instanceof HostError ? withFailedLine(error, lines) : error;
  }
}

/** `ip` only says which line it was. */
function withFailedLine(error: HostError, lines: readonly string[]): HostError {
  const said = stderrOf(error);
  const number = /^Command failed -:(\d+)$/m.exec(said)?.[1];
  const line = number === undefined ? undefined : lines[Number(number) - 1];
  if (line === undefined) return error;
  const stderr = said.replace(/\n?^Command failed -:\d+$/m, '');
  return new HostError(`ip ${line} failed: ${stderr}`, {
    code: 'command-failed',
    fields: { ...error.fields, command: `ip ${line}`, stderr },
    cause: error,
  });
}
