import type { Prefix } from '../../model/prefix.ts';
import type { PresharedKey, WireguardPublicKey } from '../../model/wireguard-key.ts';
import { HostError } from '../host-error.ts';
import { controlSocketPath } from './control-socket.ts';
import type { DeviceDump, PeerDump } from './device-dump.ts';

/** What stands for no key. */
const zeroKey = '0'.repeat(64);

type Draft<T> = { -readonly [Field in keyof T]: T[Field] };
type DeviceDraft = Draft<DeviceDump>;
type PeerDraft = Draft<PeerDump> & { readonly allowedIps: Prefix[] };
type Setters<T> = Readonly<Record<string, (target: T, value: string) => void>>;

/** The fields that we need; others are passed over. One that is not told has its zero. */
const deviceSetters: Setters<DeviceDraft> = {
  private_key: (device, value) => {
    device.privateKey = parseKey(value);
  },
  listen_port: (device, value) => {
    device.listenPort = parseCount(value);
  },
};

const peerSetters: Setters<PeerDraft> = {
  preshared_key: (peer, value) => {
    peer.presharedKey = parseKey(value) as PresharedKey | undefined;
  },
  endpoint: (peer, value) => {
    peer.endpoint = value;
  },
  allowed_ip: (peer, value) => {
    // wireguard-go holds nothing but what was parsed once before.
    peer.allowedIps.push(value as Prefix);
  },
  last_handshake_time_sec: (peer, value) => {
    peer.latestHandshakeMs = parseCount(value) * 1_000;
  },
  rx_bytes: (peer, value) => {
    peer.receivedBytes = parseCount(value);
  },
  tx_bytes: (peer, value) => {
    peer.sentBytes = parseCount(value);
  },
  persistent_keepalive_interval: (peer, value) => {
    const keepaliveSeconds = parseCount(value);
    peer.keepaliveSeconds = keepaliveSeconds === 0 ? undefined : keepaliveSeconds;
  },
};

/**
 * Reads the reply to `get=1` (https://www.wireguard.com/xplatform/): a line for each field, those of
 * the interface first, then those of its peers, each of which begins with its key.
 *
 * @throws HostError `unreadable-output`, which shows nothing of the reply
 */
export function parseSocketDump(name: string, text: string): DeviceDump {
  try {
    return parseFields(text);
  } catch {
    // Its message might show a key.
    throw unreadable(name);
  }
}

/** In one pass and without a container per peer: twenty thousand of them must not stop us for long. */
function parseFields(text: string): DeviceDump {
  const lines = text.trimEnd().split('\n');
  if (lines.pop() !== 'errno=0') throw new Error('no success');
  const peers: PeerDraft[] = [];
  const device: DeviceDraft = { privateKey: undefined, listenPort: 0, peers };
  let peer: PeerDraft | undefined;
  for (const line of lines) {
    const at = line.indexOf('=');
    if (at < 0) throw new Error('no field');
    const [field, value] = [line.slice(0, at), line.slice(at + 1)];
    if (field === 'public_key') {
      peer = emptyPeer(value);
      peers.push(peer);
    } else if (peer === undefined) deviceSetters[field]?.(device, value);
    else peerSetters[field]?.(peer, value);
  }
  return device;
}

function emptyPeer(publicKey: string): PeerDraft {
  const key = parseKey(publicKey);
  if (key === undefined) throw new Error('no key');
  return {
    publicKey: key as WireguardPublicKey,
    presharedKey: undefined,
    endpoint: undefined,
    allowedIps: [],
    latestHandshakeMs: 0,
    receivedBytes: 0,
    sentBytes: 0,
    keepaliveSeconds: undefined,
  };
}

/** Undefined for none. */
function parseKey(hexadecimal: string): string | undefined {
  if (!/^[0-9a-f]{64}$/.test(hexadecimal)) throw new Error('no key');
  return hexadecimal === zeroKey ? undefined : Buffer.from(hexadecimal, 'hex').toString('base64');
}

function parseCount(text: string): number {
  if (!/^\d{1,20}$/.test(text)) throw new Error('no number');
  return Number(text);
}

function unreadable(name: string): HostError {
  const command = `get=1 on ${controlSocketPath(name)}`;
  return new HostError(`the reply to ${command} has a form that is not known`, {
    code: 'unreadable-output',
    fields: { command },
  });
}
