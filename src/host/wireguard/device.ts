import type { Clock } from '../../runtime/clock.ts';
import { becomesTrue } from '../becomes-true.ts';
import { HostError, stderrOf } from '../host-error.ts';
import type { InterfaceNotes } from '../interface-notes.ts';
import type { Runner, StartedProcess } from '../runner.ts';
import type { WireguardBackend } from './backend.ts';
import { isControlSocketAlive, removeControlSocket } from './control-socket.ts';
import {
  endWireguardGo,
  findWireguardGo,
  isWireguardGoOf,
  wireguardGoArguments,
} from './wireguard-go-process.ts';

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

/**
 * Makes an empty WireGuard interface, down and without an alias. It works on when this process
 * ends, however it ends. The caller has made sure that there is no interface of that name.
 *
 * @param alias noted before the interface exists, so that a crash half-way leaves nothing unknown;
 *   the caller removes the note when it has set the alias
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
  await notes.write(name, alias);
  try {
    if (backend.kind === 'wireguard-go') {
      await startWireguardGo(name, backend.path, dependencies);
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
  if (await becomesTrue(async () => !(await isControlSocketAlive(name)), clock, endTimeoutMs)) {
    return;
  }
  throw new HostError(
    `the name ${name} is taken by a wireguard-go in another network namespace of this machine`,
    { code: 'not-ours', fields: { interface: name } },
  );
}

async function startWireguardGo(
  name: string,
  path: string,
  { runner, clock }: DeviceDependencies,
): Promise<void> {
  const daemon = await runner.start(path, wireguardGoArguments(name), {
    // It complains about every peer that cannot be reached, for as long as it runs.
    logPath: '/dev/null',
    env: { LOG_LEVEL: 'silent' },
  });
  if (await comesUp(name, daemon, clock)) return;
  await endWireguardGo(name, daemon.pid);
  const output = await askWhyItFails(name, path, runner);
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
  const isDecided = async (): Promise<boolean> => hasEnded || (await isControlSocketAlive(name));
  await becomesTrue(isDecided, clock, startTimeoutMs);
  return !hasEnded && (await isControlSocketAlive(name));
}

/** Once more with its complaints. What keeps it from coming up shows at once, or not at all. */
async function askWhyItFails(name: string, path: string, runner: Runner): Promise<string> {
  const line = ['LOG_LEVEL=error', path, ...wireguardGoArguments(name)];
  const failure = await runner.run('env', line, { timeoutMs: 1_000 }).catch(stderrOf);
  // It greets with a box that says it were not needed.
  return typeof failure === 'string' ? failure.replace(/^[┌│└].*\n?/gm, '').trim() : '';
}

/**
 * Takes an interface of ours away with everything that was made for it. Harmless when it is gone
 * already, or was never finished.
 */
export async function removeDevice(name: string, dependencies: DeviceDependencies): Promise<void> {
  const { backend, runner, notes, clock } = dependencies;
  const pid = backend.kind === 'wireguard-go' ? await findWireguardGo(name) : undefined;
  await deleteLink(name, runner);
  if (backend.kind === 'wireguard-go') {
    if (pid !== undefined) await awaitEnd(name, pid, clock);
    if (!(await isControlSocketAlive(name))) await removeControlSocket(name);
  }
  await notes.remove(name);
}

async function awaitEnd(name: string, pid: number, clock: Clock): Promise<void> {
  const hasEnded = async (): Promise<boolean> => !(await isWireguardGoOf(name, pid));
  if (!(await becomesTrue(hasEnded, clock, endTimeoutMs))) await endWireguardGo(name, pid);
}

async function deleteLink(name: string, runner: Runner): Promise<void> {
  try {
    await runner.run('ip', ['link', 'delete', 'dev', name], { timeoutMs: commandTimeoutMs });
  } catch (error) {
    if (!/Cannot find device/.test(stderrOf(error))) throw error;
  }
}
