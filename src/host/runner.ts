import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { collectOutput } from './bounded-output.ts';
import { HostError } from './host-error.ts';
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
}

/** A table dump of a machine with a full Internet routing table is about this long. */
const maxStdoutBytes = 256 * 1024 * 1024;
const maxStderrBytes = 16 * 1024;

/** Debian's package for every program that Hanse runs. */
const packages: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  ss: 'iproute2',
  wg: 'wireguard-tools',
};

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

function notStarted(line: readonly string[], cause?: unknown): HostError {
  if ((cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT') {
    return new HostError(`${formatLine(line)} could not be started`, {
      code: 'command-failed',
      fields: { command: formatLine(line), stderr: '', reason: 'could not be started' },
      cause,
    });
  }
  return missingProgram(line[0] ?? '', cause);
}

function missingProgram(program: string, cause?: unknown): HostError {
  const debianPackage = packages[program] ?? program;
  return new HostError(
    `the program ${program} is not installed: install it with apt-get install ${debianPackage}`,
    { code: 'missing-program', fields: { program, package: debianPackage }, cause },
  );
}

function commandFailed(
  line: readonly string[],
  output: string,
  end: { readonly exitCode: number | undefined; readonly reason: string | undefined },
): HostError {
  const stderr = output.trim();
  // The words of `ip netns exec`, which is there when the program itself is not.
  const absent = /^exec of "(.+)" failed: No such file or directory$/m.exec(stderr)?.[1];
  if (absent !== undefined) return missingProgram(absent);
  const command = formatLine(line);
  const how = end.reason ?? (end.exitCode === undefined ? 'was killed' : `exit ${end.exitCode}`);
  return new HostError(`${command} failed (${how})${stderr === '' ? '' : `: ${stderr}`}`, {
    code: 'command-failed',
    fields: {
      command,
      stderr,
      ...(end.exitCode === undefined ? { reason: how } : { exitCode: end.exitCode }),
    },
  });
}

/** As one would type it into a shell. */
function formatLine(line: readonly string[]): string {
  return line
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
