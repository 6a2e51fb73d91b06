import { HostError } from './host-error.ts';

/* What is said of a program that could not be started, or ended badly. */

/** Debian's package for every program that Hanse runs. */
const packages: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  ss: 'iproute2',
  wg: 'wireguard-tools',
};

export function notStarted(line: readonly string[], cause?: unknown): HostError {
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

export function commandFailed(
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
