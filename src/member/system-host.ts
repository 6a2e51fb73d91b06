import { release } from 'node:os';
import { createHost, type Host } from '../host/host.ts';
import { tunnelMtuBytes, underlayMtuBytes } from '../host/mtu.ts';
import { assertNoOverlap } from '../host/network-overlap.ts';
import type { Runner } from '../host/runner.ts';
import { PathMonitor } from '../paths/path-monitor.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { MemberHost, TunnelObservation } from './member-host.ts';

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
    assertNoOverlap: (prefixes) => assertNoOverlap(prefixes, ownInterfaces, runner),
    watchPaths: (onChange) => new PathMonitor({ clock: systemClock, log, onChange }),
  };
}

function describeBackend({ backend }: Host): MemberHost['wireguard'] {
  return backend.kind === 'kernel'
    ? { backend: 'kernel', version: release() }
    : { backend: 'wireguard-go', version: backend.version };
}

function observationsByInterface(
  peers: Awaited<ReturnType<Host['observe']>>,
): ReadonlyMap<string, TunnelObservation> {
  return new Map(
    peers.map(({ interfaceName, endpoint, latestHandshakeMs, receivedBytes, sentBytes }) => [
      interfaceName,
      {
        receivedBytes,
        sentBytes,
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(latestHandshakeMs === undefined ? {} : { handshakeAtMs: latestHandshakeMs }),
      },
    ]),
  );
}
