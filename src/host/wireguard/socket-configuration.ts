import { askControlSocket, socketFailed } from './control-socket.ts';
import type { DeviceSettings } from './device-config.ts';
import type { PeerChange, PeerChanges } from './peer-changes.ts';

/**
 * Changes a `wireguard-go` over its control socket. A peer that gets another preshared key keeps its
 * allowed IPs all the while, which `wg` takes away and puts back.
 *
 * @throws HostError `command-failed`; then it is not known what was done
 */
export async function configureBySocket(
  name: string,
  request: string,
  signal: AbortSignal,
): Promise<void> {
  const reply = (await askControlSocket(name, request, signal)).trim();
  if (reply !== 'errno=0') throw socketFailed(name, request, { reason: reply });
}

/**
 * A request of WireGuard's cross-platform interface (https://www.wireguard.com/xplatform/), where
 * keys are in hexadecimal. Removals come first, so that allowed IPs which go from a removed peer to
 * another are free by then.
 *
 * @returns the empty string when nothing is to be done
 */
export function formatRequest(settings: DeviceSettings, { removed, changed }: PeerChanges): string {
  const lines = [
    ...(settings.privateKey === undefined
      ? []
      : [`private_key=${inHexadecimal(settings.privateKey)}`]),
    ...(settings.listenPort === undefined ? [] : [`listen_port=${settings.listenPort}`]),
    ...removed.flatMap((key) => [`public_key=${inHexadecimal(key)}`, 'remove=true']),
    ...changed.flatMap(peerLines),
  ];
  return lines.length === 0 ? '' : `set=1\n${lines.join('\n')}\n\n`;
}

function peerLines({ peer, setEndpoint, isRekeyed }: PeerChange): readonly string[] {
  const { publicKey, presharedKey, keepaliveSeconds = 0, endpoint, allowedIps } = peer;
  return [
    `public_key=${inHexadecimal(publicKey)}`,
    ...(isRekeyed ? ['update_only=true'] : []),
    `preshared_key=${inHexadecimal(presharedKey)}`,
    `persistent_keepalive_interval=${keepaliveSeconds}`,
    ...(setEndpoint ? [`endpoint=${endpoint}`] : []),
    ...(isRekeyed
      ? []
      : ['replace_allowed_ips=true', ...allowedIps.map((prefix) => `allowed_ip=${prefix}`)]),
  ];
}

function inHexadecimal(key: string): string {
  return Buffer.from(key, 'base64').toString('hex');
}
