import type { PeerState } from '../../model/host-state.ts';
import type { WireguardPrivateKey, WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { PeerChanges } from './peer-changes.ts';

/** What is to be set of the interface itself; absent for what stays. */
export interface DeviceSettings {
  readonly privateKey?: WireguardPrivateKey;
  readonly listenPort?: number;
}

/**
 * The input of `wg addconf` for what is new or changed. It contains the keys. `addconf` replaces the
 * allowed IPs of a peer that it names and leaves all else that is not mentioned, so a key that
 * changes does not end a session.
 *
 * @returns the empty string when nothing is to be done
 */
export function formatConfig(settings: DeviceSettings, changed: PeerChanges['changed']): string {
  const lines: string[] = [];
  if (settings.privateKey !== undefined || settings.listenPort !== undefined) {
    lines.push('[Interface]');
    if (settings.privateKey !== undefined) lines.push(`PrivateKey = ${settings.privateKey}`);
    if (settings.listenPort !== undefined) lines.push(`ListenPort = ${settings.listenPort}`);
  }
  for (const { peer, setEndpoint } of changed) pushPeer(lines, peer, setEndpoint);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function pushPeer(lines: string[], peer: PeerState, setEndpoint: boolean): void {
  lines.push('[Peer]', `PublicKey = ${peer.publicKey}`, `PresharedKey = ${peer.presharedKey}`);
  // `wg` does not take an empty list; without one the peer's allowed IPs are emptied all the same.
  if (peer.allowedIps.length > 0) lines.push(`AllowedIPs = ${peer.allowedIps.join(', ')}`);
  if (setEndpoint) lines.push(`Endpoint = ${peer.endpoint}`);
  lines.push(`PersistentKeepalive = ${peer.keepaliveSeconds ?? 'off'}`);
}

/** 60 bytes each; the kernel lets a command line have 2 MiB less the environment. */
const removalsPerCommand = 5_000;

/** The arguments of as many calls of `wg` as it takes to remove the peers. */
export function formatRemovals(
  name: string,
  removed: readonly WireguardPublicKey[],
): readonly (readonly string[])[] {
  const commands: string[][] = [];
  for (let start = 0; start < removed.length; start += removalsPerCommand) {
    const keys = removed.slice(start, start + removalsPerCommand);
    commands.push(['set', name, ...keys.flatMap((key) => ['peer', key, 'remove'])]);
  }
  return commands;
}
