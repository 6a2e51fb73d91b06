import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Figure } from './figure.ts';
import type { PartContext } from './part.ts';

/** What the process inside is told, as JSON in its only argument. */
export interface SandboxTask extends Omit<PartContext, 'progress'> {
  readonly suite: string;
  readonly part: string;
}

/** What the process inside says. */
export type SandboxMessage =
  | { readonly kind: 'progress'; readonly message: string }
  | { readonly kind: 'figures'; readonly figures: readonly Figure[] }
  | { readonly kind: 'failed'; readonly reason: string };

/**
 * Loopback is up, `/run` is empty, and the first process takes all others with it when it ends:
 * masters leave tunnels and their daemons on purpose, and a benchmark must not.
 */
const enterScript =
  'mount -t tmpfs -o mode=755 none /run && ip link set lo up && ulimit -n "$(ulimit -H -n)" && exec "$@"';

/** Runs a part in namespaces of its own. @throws Error with what the part failed with */
export async function measureInSandbox(
  which: Pick<SandboxTask, 'suite' | 'part'>,
  { progress, ...context }: PartContext,
): Promise<readonly Figure[]> {
  const child = spawn('unshare', sandboxArguments({ ...which, ...context }), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let figures: readonly Figure[] | undefined;
  let failure: string | undefined;
  child.on('message', (message: SandboxMessage) => {
    if (message.kind === 'progress') progress(message.message);
    else if (message.kind === 'figures') figures = message.figures;
    else failure = message.reason;
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (figures) return figures;
  throw new Error(failure ?? `the sandbox ended with exit code ${code}; it needs root`);
}

function sandboxArguments(task: SandboxTask): string[] {
  const entry = fileURLToPath(new URL('sandbox-process.ts', import.meta.url));
  return [
    ...['--net', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc'],
    ...['sh', '-c', enterScript, 'sh', process.execPath, entry, JSON.stringify(task)],
  ];
}
