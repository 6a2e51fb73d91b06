import type { PeerState } from '../../model/host-state.ts';
import type { Prefix } from '../../model/prefix.ts';
import {
  type PresharedKey,
  type WireguardPublicKey,
  wireguardPublicKeySchema,
} from '../../model/wireguard-key.ts';
import { HostError } from '../host-error.ts';

/** What an interface has, as `wg` tells. Secret: it contains the keys. */
export interface DeviceDump {
  readonly privateKey: string | undefined;
  /** 0 before the first one was chosen. */
  readonly listenPort: number;
  readonly peers: readonly PeerDump[];
}

export interface PeerDump {
  readonly publicKey: WireguardPublicKey;
  readonly presharedKey: PresharedKey | undefined;
  /** Where the peer was heard last, or is expected. */
  readonly endpoint: string | undefined;
  readonly allowedIps: readonly Prefix[];
  /** Milliseconds since the Unix epoch; 0 for never. */
  readonly latestHandshakeMs: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly keepaliveSeconds: number | undefined;
}

/**
 * Reads the output of `wg show NAME dump`: a line for the interface and one for each peer, fields
 * separated by tabs (wg(8), "show").
 *
 * @throws HostError `unreadable-output`
 */
export function parseDeviceDump(name: string, text: string): DeviceDump {
  const [first = '', ...rest] = text.trimEnd().split('\n');
  const [privateKey, , listenPort, ...more] = first.split('\t');
  if (listenPort === undefined || more.length !== 1) throw unreadable(name);
  return {
    privateKey: orUndefined(privateKey),
    listenPort: parseCount(name, listenPort),
    peers: rest.map((line) => parsePeer(name, line)),
  };
}

function parsePeer(name: string, line: string): PeerDump {
  const [publicKey, psk, endpoint, ips, handshake, received, sent, keepalive] = line.split('\t');
  if (!wireguardPublicKeySchema.safeParse(publicKey).success || keepalive === undefined) {
    throw unreadable(name);
  }
  return {
    // The kernel and wireguard-go hold nothing but what was parsed once before.
    publicKey: publicKey as WireguardPublicKey,
    presharedKey: orUndefined(psk) as PresharedKey | undefined,
    endpoint: orUndefined(endpoint),
    allowedIps: (orUndefined(ips)?.split(',') ?? []) as Prefix[],
    latestHandshakeMs: parseCount(name, handshake) * 1_000,
    receivedBytes: parseCount(name, received),
    sentBytes: parseCount(name, sent),
    keepaliveSeconds: keepalive === 'off' ? undefined : parseCount(name, keepalive),
  };
}

/**
 * After this no packet is accepted any more without a new handshake (WireGuard paper §6.1,
 * Reject-After-Time): a peer that was heard more recently is where its endpoint says.
 */
const sessionLifeMs = 180_000;

/**
 * The peer as if we had configured it, for comparison with what is wanted now.
 *
 * @param wanted the same peer in the wanted state. Its endpoint is taken for configured already
 *   while the peer's session is alive: the peer may have roamed since, and what it is heard from
 *   now is better than what we were told.
 */
export function adoptPeer(
  actual: PeerDump,
  wanted: PeerState | undefined,
  nowMs: number,
): AdoptedPeer {
  const isAlive = nowMs - actual.latestHandshakeMs < sessionLifeMs;
  const endpoint = isAlive ? (wanted?.endpoint ?? actual.endpoint) : actual.endpoint;
  return {
    publicKey: actual.publicKey,
    presharedKey: actual.presharedKey,
    allowedIps: actual.allowedIps,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(actual.keepaliveSeconds === undefined ? {} : { keepaliveSeconds: actual.keepaliveSeconds }),
  };
}

/** A peer as found, which may lack what we always set. */
export type AdoptedPeer = Omit<PeerState, 'presharedKey'> & {
  readonly presharedKey: PresharedKey | undefined;
};

function orUndefined(field: string | undefined): string | undefined {
  return field === '(none)' ? undefined : field;
}

function parseCount(name: string, field: string | undefined): number {
  if (!/^\d{1,20}$/.test(field ?? '')) throw unreadable(name);
  return Number(field);
}

function unreadable(name: string): HostError {
  return new HostError(`the answer of wg show ${name} dump has a form that is not known`, {
    code: 'unreadable-output',
    fields: { command: `wg show ${name} dump` },
  });
}
