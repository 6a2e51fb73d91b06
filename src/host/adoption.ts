import type { InterfaceState } from '../model/host-state.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { HostError } from './host-error.ts';
import type { InterfaceNotes } from './interface-notes.ts';
import type { LinkState } from './link/link-changes.ts';
import { type LinkSnapshot, readLinks } from './link/link-snapshot.ts';
import type { Runner } from './runner.ts';
import type { WireguardBackend } from './wireguard/backend.ts';
import { adoptPeer, type DeviceDump } from './wireguard/device-dump.ts';
import { type ConfiguredDevice, readDevice } from './wireguard/device-peers.ts';

/** An interface of ours as it is now, by our memory or by the machine's word. */
export interface AppliedInterface {
  readonly link: LinkState;
  readonly device: ConfiguredDevice;
  /** Undefined when it has not been looked at. */
  readonly forwarding: boolean | undefined;
}

export interface AdoptionDependencies {
  readonly backend: WireguardBackend;
  readonly runner: Runner;
  readonly notes: InterfaceNotes;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Adoption {
  readonly adopted: ReadonlyMap<string, AppliedInterface>;
  /** Interfaces of ours that are of no use: no longer wanted, half made, or out of order. */
  readonly leftovers: readonly string[];
  /** One `not-ours` for each wanted name that somebody else has. */
  readonly refusals: ReadonlyMap<string, HostError>;
}

/**
 * Looks for what an earlier process of this owner has left on the machine, so that its sessions go
 * on. Nothing is changed.
 *
 * @param alias the owner's mark. An interface without any alias is ours as well when a note says
 *   that we had begun to make it.
 */
export async function findInterfaces(
  wanted: readonly InterfaceState[],
  alias: string,
  dependencies: AdoptionDependencies,
): Promise<Adoption> {
  const [links, noted] = await Promise.all([
    readLinks(dependencies.runner),
    dependencies.notes.namesOf(alias),
  ]);
  const isOurs = (link: LinkSnapshot): boolean =>
    link.alias === alias || (link.alias === '' && noted.includes(link.name));
  const wantedNames = new Set(wanted.map(({ name }) => name));
  const marked = [...links.values()].filter(isOurs).map(({ name }) => name);
  const unwanted = [...marked, ...noted].filter((name) => !wantedNames.has(name));
  const leftovers = new Set(unwanted.filter((name) => !isStrangers(links.get(name), isOurs)));
  const adopted = new Map<string, AppliedInterface>();
  const refusals = new Map<string, HostError>();
  for (const state of wanted) {
    const link = links.get(state.name);
    if (link === undefined) continue;
    if (!isOurs(link)) {
      refusals.set(state.name, notOurs(link, alias));
      continue;
    }
    const found = await adoptInterface(state, link, dependencies);
    if (found === undefined) leftovers.add(state.name);
    else adopted.set(state.name, found);
  }
  return { adopted, leftovers: [...leftovers], refusals };
}

function isStrangers(
  link: LinkSnapshot | undefined,
  isOurs: (link: LinkSnapshot) => boolean,
): boolean {
  return link !== undefined && !isOurs(link);
}

/** Undefined when nobody answers for the interface any more. */
async function adoptInterface(
  wanted: InterfaceState,
  link: LinkSnapshot,
  dependencies: AdoptionDependencies,
): Promise<AppliedInterface | undefined> {
  const { clock, log } = dependencies;
  let dump: DeviceDump;
  try {
    dump = await readDevice(wanted.name, dependencies);
  } catch (error) {
    log.warn({ error, interface: wanted.name }, 'an interface does not answer and is made anew');
    return undefined;
  }
  log.info({ interface: wanted.name, peers: dump.peers.length }, 'an interface was adopted');
  const linkLocal = link.addresses.find(({ isLinkLocal }) => isLinkLocal)?.address;
  return {
    link: {
      alias: link.alias,
      isUp: link.isUp,
      mtuBytes: link.mtuBytes,
      addresses: link.addresses
        .filter(({ isLinkLocal }) => !isLinkLocal)
        .map(({ address }) => address),
      ...(linkLocal === undefined ? {} : { linkLocal }),
    },
    device: adoptDevice(wanted, dump, clock.nowMs()),
    forwarding: undefined,
  };
}

function adoptDevice(wanted: InterfaceState, dump: DeviceDump, nowMs: number): ConfiguredDevice {
  const wantedPeers = new Map(wanted.peers.map((peer) => [peer.publicKey, peer]));
  return {
    listenPort: dump.listenPort,
    peers: dump.peers.map((actual) => adoptPeer(actual, wantedPeers.get(actual.publicKey), nowMs)),
    ...(dump.privateKey === undefined ? {} : { privateKey: dump.privateKey }),
  };
}

function notOurs({ name, alias }: LinkSnapshot, expected: string): HostError {
  const found = alias === '' ? 'no alias' : `the alias "${alias}"`;
  return new HostError(
    `the interface ${name} exists and is not ours: it has ${found} instead of "${expected}". ` +
      `If nobody needs it, remove it with: ip link delete ${name}`,
    { code: 'not-ours', fields: { interface: name } },
  );
}
