import { CommanderError } from 'commander';
import { describeError, HanseError } from '../model/error.ts';
import { isAbort } from '../runtime/abort.ts';
import type { CommandContext } from './command-context.ts';
import { type ExitCode, exitCodeOf } from './exit-code.ts';
import { createProgram } from './program.ts';
import { paint, processTerminal, type Terminal } from './terminal.ts';

/**
 * Runs one command to its end and resolves with the exit status; never rejects.
 *
 * The first SIGINT or SIGTERM asks the command to end; the second has the system's own effect.
 */
export async function runCommandLine(args: readonly string[]): Promise<ExitCode> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  process.once('SIGINT', abort).once('SIGTERM', abort);
  const terminal = processTerminal(abort);
  try {
    return await runCommand(args, { terminal, environment: process.env, signal: stop.signal });
  } catch (error) {
    return report(error, terminal, stop.signal);
  } finally {
    process.off('SIGINT', abort).off('SIGTERM', abort);
  }
}

async function runCommand(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = createProgram(context.terminal, async (action) => {
    exitCode = (await action(context)) ?? 0;
  });
  await program.parseAsync(args, { from: 'user' });
  return exitCode;
}

function report(error: unknown, terminal: Terminal, signal: AbortSignal): ExitCode {
  // Commander has already printed what was wrong, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (signal.aborted && isAbort(error, signal)) return 1;
  const prefix = paint(terminal.err, 'red', 'hanse:');
  terminal.err.write(`${prefix} ${explain(error)}\n`);
  const { HANSE_TRACE: trace } = process.env;
  if (trace && error instanceof Error) terminal.err.write(`${error.stack}\n`);
  return exitCodeOf(error);
}

/** The message, with what the person at the keyboard can do where the message cannot know it. */
function explain(error: unknown): string {
  if (error instanceof HanseError) {
    return error.retryable ? `${error.message}\n  It may work when you try again.` : error.message;
  }
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EPERM') {
    const what = path === undefined ? describeError(error) : `no permission for ${path}`;
    return `${what}\n  Run it as the user who owns the directory, usually root, or give another --dir.`;
  }
  return describeError(error);
}
