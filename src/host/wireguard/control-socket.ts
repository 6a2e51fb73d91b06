import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Deadline } from '../../runtime/deadline.ts';
import { collectOutput } from '../bounded-output.ts';
import { HostError } from '../host-error.ts';

/** Fixed by wireguard-go and `wg`; the same for all network namespaces of a machine. */
const directory = '/var/run/wireguard';
/** As long as `wg` may take for as many peers. */
const timeoutMs = 60_000;
/** 20,000 peers with their allowed IPs take 9 MB. */
const maxReplyBytes = 256 * 1024 * 1024;

export function controlSocketPath(name: string): string {
  return join(directory, `${name}.sock`);
}

/**
 * Whether a `wireguard-go` of that name answers, anywhere on the machine. The file alone says
 * nothing: one that was killed leaves it behind.
 */
export function isControlSocketAlive(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(controlSocketPath(name));
    const end = (isAlive: boolean): void => {
      socket.destroy();
      resolve(isAlive);
    };
    socket.once('connect', () => end(true));
    // Absent or stale: either way nobody is there.
    socket.once('error', () => end(false));
  });
}

/**
 * Asks a `wireguard-go` without starting a program, which would stop a large process for the time
 * that it takes to copy its page tables.
 *
 * @param request in WireGuard's cross-platform interface (https://www.wireguard.com/xplatform/)
 * @returns the whole reply, with its `errno`
 * @throws HostError `command-failed` when nobody answers; the signal's reason when aborted
 */
export async function askControlSocket(
  name: string,
  request: string,
  signal?: AbortSignal,
): Promise<string> {
  const socket = connect({ path: controlSocketPath(name), allowHalfOpen: true });
  using deadline = new Deadline(timeoutMs, signal);
  const abort = (): void => void socket.destroy(deadline.signal.reason);
  deadline.signal.addEventListener('abort', abort);
  const reply = collectOutput(socket, maxReplyBytes, () =>
    socket.destroy(new Error('said too much')),
  );
  try {
    socket.end(request);
    await once(socket, 'end');
    return reply.text();
  } catch (error) {
    signal?.throwIfAborted();
    throw socketFailed(name, request, { reason: 'nobody answers', cause: error });
  } finally {
    deadline.signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

/** Shows no more of the request than what it is for: the rest is secret. */
export function socketFailed(
  name: string,
  request: string,
  { reason, cause }: { readonly reason: string; readonly cause?: unknown },
): HostError {
  const [operation = ''] = request.split('\n', 1);
  const command = `${operation} on ${controlSocketPath(name)}`;
  return new HostError(`wireguard-go did not do ${command}: ${reason}`, {
    code: 'command-failed',
    fields: { command, stderr: '', reason },
    cause,
  });
}

export async function removeControlSocket(name: string): Promise<void> {
  await rm(controlSocketPath(name), { force: true });
}
