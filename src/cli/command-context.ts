import type { ExitCode } from './exit-code.ts';
import type { Terminal } from './terminal.ts';

/** What every command is given. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first SIGINT or SIGTERM, or when nobody reads the output any more. */
  readonly signal: AbortSignal;
}

/** Resolves with the exit status; 0 when it says nothing. */
export type Action = () => Promise<ExitCode | undefined>;

/** Runs an action and keeps its exit status for the end of the program. */
export type ActionRunner = (
  action: (context: CommandContext) => ReturnType<Action>,
) => Promise<void>;
