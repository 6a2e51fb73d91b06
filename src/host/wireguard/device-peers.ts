import type { InterfaceState } from '../../model/host-state.ts';
import { prefixesOverlap } from '../../model/prefix.ts';
import { HostError } from '../host-error.ts';
import type { Runner } from '../runner.ts';
import type { WireguardBackend } from './backend.ts';
import { askControlSocket, isControlSocketAlive } from './control-socket.ts';
import { type DeviceSettings, formatConfig, formatRemovals } from './device-config.ts';
import { type AdoptedPeer, type DeviceDump, parseDeviceDump } from './device-dump.ts';
import { type PeerChanges, planPeerChanges } from './peer-changes.ts';
import { configureBySocket, formatRequest } from './socket-configuration.ts';
import { parseSocketDump } from './socket-dump.ts';

/** What an interface has been told, or is assumed to have been told. */
export interface ConfiguredDevice {
  /** Absent for an interface that was made just now. */
  readonly privateKey?: string;
  readonly listenPort?: number;
  /** The very list that they were wanted by, unless they were found. */
  readonly peers: readonly AdoptedPeer[];
  /** Absent until it was looked. */
  readonly control?: Control;
}

/** What takes an interface's configuration: a wireguard-go, or `wg` for the kernel. */
type Control = 'socket' | 'tool';

/** 20,000 peers take wireguard-go 1.5 s on an idle machine. */
const timeoutMs = 60_000;

export interface ReadDeviceOptions {
  readonly backend: WireguardBackend;
  readonly runner: Runner;
}

/**
 * @throws HostError `command-failed` when it is no WireGuard interface, or nobody answers for it;
 *   `unreadable-output`
 */
export async function readDevice(
  name: string,
  { backend, runner }: ReadDeviceOptions,
): Promise<DeviceDump> {
  return readBy(backend.kind === 'wireguard-go' ? 'socket' : 'tool', name, runner);
}

async function readBy(control: Control, name: string, runner: Runner): Promise<DeviceDump> {
  if (control === 'socket') {
    return parseSocketDump(name, await askControlSocket(name, 'get=1\n\n'));
  }
  const { stdout } = await runner.run('wg', ['show', name, 'dump'], { timeoutMs });
  return parseDeviceDump(name, stdout);
}

export interface ApplyPeersOptions {
  readonly runner: Runner;
  readonly signal: AbortSignal;
}

/**
 * Gives an interface its keys, its port and its peers, by telling it the difference: nothing for no
 * change, one short message for one more peer, whatever the number of peers.
 *
 * @returns what is configured now
 * @throws HostError `port-in-use`, `command-failed`; then it is not known what was done
 */
export async function applyPeers(
  wanted: InterfaceState,
  before: ConfiguredDevice,
  options: ApplyPeersOptions,
): Promise<ConfiguredDevice> {
  const { runner, signal } = options;
  const { name, privateKey, listenPort } = wanted;
  if (isSameDevice(wanted, before)) return before;
  const control = before.control ?? ((await isControlSocketAlive(name)) ? 'socket' : 'tool');
  const isNewPort =
    listenPort !== undefined &&
    listenPort !== before.listenPort &&
    (await takesPort(name, listenPort, { control, runner }));
  const kept = peersToKeep(before.peers, wanted);
  const known = kept.size === 0 ? before.peers : before.peers.filter((peer) => !kept.has(peer));
  const changes = planPeerChanges(known, wanted.peers);
  const settings = {
    ...(privateKey === before.privateKey ? {} : { privateKey }),
    ...(isNewPort ? { listenPort } : {}),
  };
  if (control === 'socket') {
    const request = formatRequest(settings, changes);
    if (request !== '') await configureBySocket(name, request, signal);
  } else {
    await configureByTool(name, { settings, changes }, options);
  }
  const port = listenPort ?? before.listenPort;
  const peers = kept.size === 0 ? wanted.peers : [...wanted.peers, ...kept];
  const device = { privateKey, peers, control };
  return port === undefined ? device : { ...device, listenPort: port };
}

/** Those of which nothing is known, so that they may be right. */
function peersToKeep(
  before: readonly AdoptedPeer[],
  { peers, unknownWithin = [] }: InterfaceState,
): ReadonlySet<AdoptedPeer> {
  if (unknownWithin.length === 0) return new Set();
  const wanted = new Set(peers.map(({ publicKey }) => publicKey));
  const isUnknown = ({ publicKey, allowedIps }: AdoptedPeer) =>
    !wanted.has(publicKey) &&
    allowedIps.some((ip) => unknownWithin.some((prefix) => prefixesOverlap(ip, prefix)));
  return new Set(before.filter(isUnknown));
}

/** At one look: a change of routes must not wait until ten thousand peers have been compared. */
function isSameDevice(wanted: InterfaceState, before: ConfiguredDevice): boolean {
  const { privateKey, listenPort, peers } = wanted;
  if (peers !== before.peers || privateKey !== before.privateKey) return false;
  return listenPort === undefined || listenPort === before.listenPort;
}

/** The kernel's WireGuard; it has no control socket, and its gap between two lists of allowed IPs is of microseconds. */
async function configureByTool(
  name: string,
  { settings, changes }: { readonly settings: DeviceSettings; readonly changes: PeerChanges },
  { runner, signal }: ApplyPeersOptions,
): Promise<void> {
  // First, so that allowed IPs which go from a removed peer to another are free by then.
  for (const args of formatRemovals(name, changes.removed)) {
    await runner.run('wg', args, { timeoutMs, signal });
  }
  const input = formatConfig(settings, changes.changed);
  if (input === '') return;
  await runner.run('wg', ['addconf', name, '/dev/stdin'], { input, timeoutMs, signal });
}

/**
 * Whether the port has yet to be configured, and may be. wireguard-go would keep quiet about one in
 * use when it opens it later, as its interface comes up.
 *
 * @returns false for an interface that came up on this very port by chance
 * @throws HostError `port-in-use`
 */
async function takesPort(
  name: string,
  port: number,
  { control, runner }: { readonly control: Control; readonly runner: Runner },
): Promise<boolean> {
  const args = ['-H', '-l', '-n', '-u', `sport = :${port}`];
  const { stdout } = await runner.run('ss', args, { timeoutMs });
  if (stdout.trim() === '') return true;
  if ((await readBy(control, name, runner)).listenPort === port) return false;
  throw new HostError(
    `UDP port ${port}, which ${name} is to listen on, is in use by another program (ss -lunp names it)`,
    { code: 'port-in-use', fields: { interface: name, port } },
  );
}
