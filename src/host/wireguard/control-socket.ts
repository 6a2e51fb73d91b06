import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

/** Fixed by wireguard-go and `wg`; the same for all network namespaces of a machine. */
const directory = '/var/run/wireguard';

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

export async function removeControlSocket(name: string): Promise<void> {
  await rm(controlSocketPath(name), { force: true });
}
