import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { collectOutput } from './bounded-output.ts';
import { commandFailed, notStarted } from './command-failure.ts';
import { type Dialogue, PipeDialogue, type TalkingProcess } from './dialogue.ts';
import { openInput } from './input-file.ts';

export interface RunOptions {
  /** Given on standard input; the only way in which a secret may reach a program. */
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** After this the program is killed. */
  readonly timeoutMs: number;
}

export interface StartOptions {
  /** Receives both outputs; truncated first. */
  readonly logPath: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface OpenOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Tells answers from what else the program prints, such as a prompt. */
  readonly isAnswer: (line: string) => boolean;
  /** A longer answer ends the program. */
  readonly maxAnswerBytes: number;
}

/** A program that runs on by itself. */
export interface StartedProcess {
  readonly pid: number;
  /** Resolves with the exit code, or undefined after a signal, if it ends while we live. */
  readonly exited: Promise<number | undefined>;
}

/** The only thing in Hanse that starts processes. All of them run under `LC_ALL=C`. */
export interface Runner {
  /**
   * Runs a program to its end.
   *
   * @throws HostError `command-failed` or `missing-program`; the signal's reason when aborted
   */
  run(
    command: string,
    args: readonly string[],
    options: RunOptions,
  ): Promise<{ readonly stdout: string }>;
  /**
   * Starts a program in a session of its own, so that it outlives this process. Resolves as soon as
   * it has a process id: whether it works is for the caller to find out.
   *
   * @throws HostError `missing-program`
   */
  start(command: string, args: readonly string[], options: StartOptions): Promise<StartedProcess>;
  /**
   * Starts a program that answers questions on its standard input, for what is asked so often that a
   * process for each would cost too much. It does not keep this process running, and loses its input
   * when this one ends, however it ends.
   *
   * @throws HostError `missing-program`, here or at the first question
   */
  open(command: string, args: readonly string[], options: OpenOptions): Promise<Dialogue>;
}

/** A table dump of a machine with a full Internet routing table is about this long. */
const maxStdoutBytes = 256 * 1024 * 1024;
const maxStderrBytes = 16 * 1024;

/**
 * @param options.networkNamespace a name known to `ip netns`, where all programs shall run;
 *   absent for the one that this process is in
 */
export function createRunner(options: { readonly networkNamespace?: string } = {}): Runner {
  const { networkNamespace } = options;
  const prefix = networkNamespace === undefined ? [] : ['ip', 'netns', 'exec', networkNamespace];
  const wrap = (command: string, args: readonly string[]): readonly string[] => [
    ...prefix,
    command,
    ...args,
  ];
  return {
    run: (command, args, runOptions) => run(wrap(command, args), runOptions),
    start: (command, args, startOptions) => start(wrap(command, args), startOptions),
    open: (command, args, openOptions) => talk(wrap(command, args), openOptions),
  };
}

async function run(line: readonly string[], options: RunOptions): Promise<{ stdout: string }> {
  const [command = '', ...args] = line;
  await using input = options.input === undefined ? undefined : await openInput(options.input);
  // From here to the listener nothing may wait, or an abort in between would be missed.
  options.signal?.throwIfAborted();
  const child = spawn(command, args, {
    cwd: '/',
    env: environment(),
    stdio: [input?.fd ?? 'ignore', 'pipe', 'pipe'],
  }) as ChildProcessByStdio<null, Readable, Readable>; // Not in the overloads for a descriptor.
  let reason: string | undefined;
  const stop = (why: string): void => {
    reason ??= why;
    child.kill('SIGKILL');
  };
  const stdout = collectOutput(child.stdout, maxStdoutBytes, () => stop('printed too much'));
  const stderr = collectOutput(child.stderr, maxStderrBytes);
  const timer = setTimeout(() => stop(`took over ${options.timeoutMs} ms`), options.timeoutMs);
  const abort = (): void => stop('aborted');
  options.signal?.addEventListener('abort', abort);
  try {
    const exitCode = await exitOf(child, line);
    options.signal?.throwIfAborted();
    if (exitCode === 0 && reason === undefined) return { stdout: stdout.text() };
    throw commandFailed(line, stderr.text(), { exitCode, reason });
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', abort);
  }
}

async function start(line: readonly string[], options: StartOptions): Promise<StartedProcess> {
  const [command = '', ...args] = line;
  // Appending, so that whoever truncates the file while the program runs gets the space back.
  await (await open(options.logPath, 'w', 0o600)).close();
  await using log = await open(options.logPath, 'a', 0o600);
  const child = spawn(command, args, {
    cwd: '/',
    detached: true,
    env: { ...environment(), ...options.env },
    stdio: ['ignore', log.fd, log.fd],
  });
  child.unref();
  const exited = once(child, 'exit').then(([code]: (number | null)[]) => code ?? undefined);
  if (child.pid === undefined)
    throw await exited.then(
      () => notStarted(line),
      (cause) => notStarted(line, cause),
    );
  return { pid: child.pid, exited };
}

async function talk(line: readonly string[], options: OpenOptions): Promise<Dialogue> {
  const [command = '', ...args] = line;
  const child = spawn(command, args, {
    cwd: '/',
    env: { ...environment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw notStarted(line, cause);
  }
  return new PipeDialogue(child as typeof child & TalkingProcess, line, options);
}

async function exitOf(child: ChildProcess, line: readonly string[]): Promise<number | undefined> {
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return code ?? undefined;
  } catch (cause) {
    throw notStarted(line, cause);
  }
}

/** Administrators' programs are not on the path of every shell. */
function environment(): NodeJS.ProcessEnv {
  const { PATH = '/usr/bin:/bin', ...others } = process.env;
  return { ...others, PATH: `${PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' };
}
