import { readFile } from 'node:fs/promises';
import type { Clock } from '../../runtime/clock.ts';
import { HostError, stderrOf } from '../host-error.ts';
import type { InterfaceNotes } from '../interface-notes.ts';
import type { Runner, StartedProcess } from '../runner.ts';
import type { WireguardBackend } from './backend.ts';
import { isControlSocketAlive, removeControlSocket } from './control-socket.ts';

export interface DeviceDependencies {
  readonly backend: WireguardBackend;
  readonly runner: Runner;
  readonly notes: InterfaceNotes;
  readonly clock: Clock;
}

const commandTimeoutMs = 10_000;
/** wireguard-go is up after some 20 ms on an idle machine. */
const startTimeoutMs = 10_000;
/** After the interface is gone wireguard-go ends by itself, within some milliseconds. */
const endTimeoutMs = 2_000;
const pollMs = 5;

/**
 * Makes an empty WireGuard interface, down and without an alias. It works on when this process
 * ends, however it ends. The caller has made sure that there is no interface of that name.
 *
 * @param alias noted before the interface exists, so that a crash half-way leaves nothing unknown
 * @throws HostError `not-ours` when a `wireguard-go` of that name runs elsewhere on the machine;
 *   `wireguard-go-failed`, `command-failed`. Afterwards there is nothing of it, or an interface that
 *   the notes know.
 */
export async function createDevice(
  name: string,
  alias: string,
  dependencies: DeviceDependencies,
): Promise<void> {
  const { backend, runner, notes, clock } = dependencies;
  if (backend.kind === 'wireguard-go') await requireFreeSocket(name, clock);
  await notes.write(name, { alias });
  try {
    if (backend.kind === 'wireguard-go') {
      await startWireguardGo({ name, alias, path: backend.path }, dependencies);
    } else {
      const args = ['link', 'add', 'dev', name, 'type', 'wireguard'];
      await runner.run('ip', args, { timeoutMs: commandTimeoutMs });
    }
  } catch (error) {
    // What a predecessor that was killed had just started may have come first. The note lets the
    // next apply adopt it; without an interface it would make a stranger's of that name ours.
    if (!(await hasLink(name, runner))) await notes.remove(name);
    throw error;
  }
}

function hasLink(name: string, runner: Runner): Promise<boolean> {
  return runner.run('ip', ['link', 'show', 'dev', name], { timeoutMs: commandTimeoutMs }).then(
    () => true,
    () => false,
  );
}

/** A daemon that is just ending, because its interface was taken away, is given the time to do so. */
async function requireFreeSocket(name: string, clock: Clock): Promise<void> {
  if (await becomesTrue(async () => !(await isControlSocketAlive(name)), clock)) return;
  throw new HostError(
    `the name ${name} is taken by a wireguard-go in another network namespace of this machine`,
    { code: 'not-ours', fields: { interface: name } },
  );
}

async function startWireguardGo(
  device: { readonly name: string; readonly alias: string; readonly path: string },
  { runner, notes, clock }: DeviceDependencies,
): Promise<void> {
  const { name, alias, path } = device;
  const daemon = await runner.start(path, ['--foreground', name], {
    logPath: notes.logPath(name),
    env: { LOG_LEVEL: 'error' },
  });
  await notes.write(name, { alias, pid: daemon.pid });
  if (await comesUp(name, daemon, clock)) return;
  await endDaemon(daemon.pid, name);
  const output = withoutBanner(await notes.readLog(name)).slice(-2_000);
  throw new HostError(`wireguard-go did not come up for ${name}: ${output || 'it said nothing'}`, {
    code: 'wireguard-go-failed',
    fields: { interface: name, output },
  });
}

async function comesUp(name: string, daemon: StartedProcess, clock: Clock): Promise<boolean> {
  let hasEnded = false;
  void daemon.exited.then(() => {
    hasEnded = true;
  });
  await becomesTrue(
    async () => hasEnded || (await isControlSocketAlive(name)),
    clock,
    startTimeoutMs,
  );
  return !hasEnded && (await isControlSocketAlive(name));
}

/** wireguard-go greets with a box that says it were not needed. */
function withoutBanner(output: string): string {
  return output.replace(/^[┌│└].*\n?/gm, '').trim();
}

/**
 * Takes an interface of ours away with everything that was made for it. Harmless when it is gone
 * already, or was never finished.
 */
export async function removeDevice(name: string, dependencies: DeviceDependencies): Promise<void> {
  const { runner, notes, clock } = dependencies;
  const pid = (await notes.read(name))?.pid;
  await deleteLink(name, runner);
  if (pid !== undefined) {
    const hasEnded = await becomesTrue(async () => !(await isDaemonOf(pid, name)), clock);
    if (!hasEnded) await endDaemon(pid, name);
    if (!(await isControlSocketAlive(name))) await removeControlSocket(name);
  }
  await notes.remove(name);
}

async function deleteLink(name: string, runner: Runner): Promise<void> {
  try {
    await runner.run('ip', ['link', 'delete', 'dev', name], { timeoutMs: commandTimeoutMs });
  } catch (error) {
    if (!/Cannot find device/.test(stderrOf(error))) throw error;
  }
}

async function endDaemon(pid: number, name: string): Promise<void> {
  if (!(await isDaemonOf(pid, name))) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** A process id may have been given to somebody else since it was noted. */
async function isDaemonOf(pid: number, name: string): Promise<boolean> {
  const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').then(
    (text) => text.split('\0'),
    (): string[] => [],
  );
  return (words[0] ?? '').endsWith('wireguard-go') && words.includes(name);
}

async function becomesTrue(
  isTrue: () => Promise<boolean>,
  clock: Clock,
  timeoutMs = endTimeoutMs,
): Promise<boolean> {
  const endMs = clock.monotonicMs() + timeoutMs;
  while (!(await isTrue())) {
    if (clock.monotonicMs() >= endMs) return false;
    await clock.sleep(pollMs);
  }
  return true;
}
