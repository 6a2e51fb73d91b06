import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces, release } from 'node:os';
import { createHost, type Host } from '../host/host.ts';
import { ownerMark } from '../host/interface-name.ts';
import { readLinks } from '../host/link/link-snapshot.ts';
import { tunnelMtuBytes, underlayMtuBytes } from '../host/mtu.ts';
import { assertNoOverlap } from '../host/network-overlap.ts';
import type { Runner } from '../host/runner.ts';
import { parseAddress } from '../model/prefix.ts';
import { LinkAddresses } from '../paths/link-addresses.ts';
import { PathMonitor } from '../paths/path-monitor.ts';
import { ProbeSocket } from '../paths/probe-socket.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type {
  DirectObservation,
  MemberHost,
  NetworkAddress,
  ProbeChannel,
  TunnelObservation,
} from './member-host.ts';

/**
 * The machine's own network, driven through `src/host`.
 * @param owner marks what is made as this member's, see `ownerMark`
 * @throws HostError when the machine has no usable WireGuard
 */
export async function createSystemHost(
  owner: string,
  { runner, log }: { readonly runner: Runner; readonly log: Log },
): Promise<MemberHost> {
  const host = await createHost({ owner }, { runner, log });
  const { alias } = ownerMark(owner);
  const ownInterfaces = new Set<string>();
  return {
    wireguard: describeBackend(host),
    tunnelMtuBytes: async (address) => tunnelMtuBytes(await underlayMtuBytes(address, runner)),
    apply: (state, signal) => {
      // Never taken out again: an interface that is on its way out is no network of the host's either.
      for (const { name } of state.interfaces) ownInterfaces.add(name);
      return host.apply(state, signal);
    },
    observe: async () => observationsByInterface(await host.observe()),
    assertNoOverlap: async (prefixes) => {
      // What an earlier process has left is there before the first apply.
      for (const { name, alias: owned } of (await readLinks(runner)).values())
        if (owned === alias) ownInterfaces.add(name);
      await assertNoOverlap(prefixes, ownInterfaces, runner);
    },
    watchPaths: (onChange) => new PathMonitor({ clock: systemClock, log, onChange }),
    observePeers: async (name) => observationsOf(await host.observeInterface(name)),
    conversations: () => host.conversations(),
    openProbes: (options, onMessage) => following(new ProbeSocket(options, { log, onMessage })),
    networkAddresses: readNetworkAddresses,
    freeUdpPort,
  };
}

function following(socket: ProbeSocket): ProbeChannel {
  return {
    send: (message, to) => void socket.send(message, to),
    follow: () => socket.follow(LinkAddresses.read()),
    close: () => socket.close(),
  };
}

/** Of tunnels, and whatever else is no link of the machine itself. */
const noHardwareAddress = '00:00:00:00:00:00';

/**
 * Without those that are bound to one link: they mean nothing elsewhere. And without those of tunnels:
 * through one of another VPN a direct path would stand, and swallow packets that are too big for both.
 */
function readNetworkAddresses(): readonly NetworkAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([interfaceName, addresses = []]) =>
    addresses
      .filter(
        ({ internal, scopeid = 0, mac }) => !internal && scopeid === 0 && mac !== noHardwareAddress,
      )
      .map(({ address }) => ({ interfaceName, address: parseAddress(address) })),
  );
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket({ type: 'udp6' });
  try {
    socket.bind(0);
    await once(socket, 'listening');
    return socket.address().port;
  } finally {
    socket.close();
  }
}

function describeBackend({ backend }: Host): MemberHost['wireguard'] {
  return backend.kind === 'kernel'
    ? { backend: 'kernel', version: release() }
    : { backend: 'wireguard-go', version: backend.version };
}

type PeerObservations = Awaited<ReturnType<Host['observe']>>;

function observationsByInterface(peers: PeerObservations): ReadonlyMap<string, TunnelObservation> {
  return new Map(peers.map((peer) => [peer.interfaceName, observationOf(peer)]));
}

function observationsOf(peers: PeerObservations): readonly DirectObservation[] {
  return peers.map((peer) => ({ publicKey: peer.publicKey, ...observationOf(peer) }));
}

function observationOf(peer: PeerObservations[number]): TunnelObservation {
  const { endpoint, latestHandshakeMs, receivedBytes, sentBytes } = peer;
  return {
    receivedBytes,
    sentBytes,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(latestHandshakeMs === undefined ? {} : { handshakeAtMs: latestHandshakeMs }),
  };
}
