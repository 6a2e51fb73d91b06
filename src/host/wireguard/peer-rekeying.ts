import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { PeerState } from '../../model/host-state.ts';
import { HostError } from '../host-error.ts';
import { controlSocketPath } from './control-socket.ts';

/** As long as `wg` may take for as many peers. */
const timeoutMs = 60_000;

/**
 * Gives peers of a `wireguard-go` other preshared keys and keepalives, and leaves all else of them
 * alone. `wg` cannot: for each peer of its input it takes the allowed IPs away and puts them back,
 * and packets in between are lost.
 *
 * @throws HostError `command-failed`; then it is not known what was done
 */
export async function rekeyPeers(
  name: string,
  peers: readonly PeerState[],
  signal: AbortSignal,
): Promise<void> {
  const socket = connect({ path: controlSocketPath(name), allowHalfOpen: true });
  const stop = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const abort = (): void => void socket.destroy(stop.reason);
  stop.addEventListener('abort', abort);
  try {
    socket.end(formatRekeying(peers));
    const reply = await text(socket);
    if (reply.trim() !== 'errno=0') throw rekeyingFailed(name, reply.trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof HostError ? error : rekeyingFailed(name, 'nobody answers', error);
  } finally {
    stop.removeEventListener('abort', abort);
    socket.destroy();
  }
}

/** WireGuard's cross-platform interface (https://www.wireguard.com/xplatform/), where keys are in hexadecimal. */
export function formatRekeying(peers: readonly PeerState[]): string {
  const lines = peers.flatMap(({ publicKey, presharedKey, keepaliveSeconds = 0 }) => [
    `public_key=${inHexadecimal(publicKey)}`,
    'update_only=true',
    `preshared_key=${inHexadecimal(presharedKey)}`,
    `persistent_keepalive_interval=${keepaliveSeconds}`,
  ]);
  return `${['set=1', ...lines].join('\n')}\n\n`;
}

function inHexadecimal(key: string): string {
  return Buffer.from(key, 'base64').toString('hex');
}

function rekeyingFailed(name: string, reason: string, cause?: unknown): HostError {
  return new HostError(`wireguard-go did not change the keys of ${name}: ${reason}`, {
    code: 'command-failed',
    fields: { command: `set=1 on ${controlSocketPath(name)}`, stderr: '', reason },
    cause,
  });
}
