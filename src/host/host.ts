import type { HostState } from '../model/host-state.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { LatestLoop } from '../runtime/latest-loop.ts';
import type { Log } from '../runtime/log.ts';
import { type AppliedHost, Convergence, type ConvergenceDependencies } from './convergence.ts';
import type { Conversation } from './firewall/conversation-listing.ts';
import { ConversationReader } from './firewall/conversation-reader.ts';
import { type DropCounts, readDropCounts } from './firewall/drop-counters.ts';
import { type OwnerMark, ownerMark } from './interface-name.ts';
import { InterfaceNotes } from './interface-notes.ts';
import { readLinks } from './link/link-snapshot.ts';
import type { Runner } from './runner.ts';
import { detectBackend, type WireguardBackend } from './wireguard/backend.ts';
import type { DeviceDump } from './wireguard/device-dump.ts';
import { readDevice } from './wireguard/device-peers.ts';

export interface HostOptions {
  /** Who owns what is made here: unique among the daemons of a network namespace, see `ownerMark`. */
  readonly owner: string;
  /** For notes about interfaces while they are being made. */
  readonly notesDirectory?: string;
}

export interface HostDependencies {
  readonly runner: Runner;
  readonly log: Log;
  readonly clock?: Clock;
}

/** What WireGuard knows of a peer of ours. */
export interface PeerObservation {
  readonly interfaceName: string;
  readonly publicKey: WireguardPublicKey;
  /** Numeric `address:port` where it was heard last; absent when it has never been heard or told. */
  readonly endpoint?: string;
  /** Milliseconds since the Unix epoch, by whole seconds; absent when there has been none. */
  readonly latestHandshakeMs?: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/**
 * One owner's share of the operating system's network. What it has made works on when the process
 * ends; only `destroy` takes it away.
 */
export interface Host extends AsyncDisposable {
  readonly backend: WireguardBackend;
  /**
   * Makes the machine as wanted, whole. Runs one at a time; of several that wait only the newest is
   * run, for all of them. The first one adopts what an earlier process of this owner has left; later
   * ones cost as much as what is different.
   *
   * @throws HostError; then the machine is as wanted in part, and the next apply looks at all of it
   *   again. An interface that fails does not keep the others from being brought up.
   */
  apply(state: HostState, signal: AbortSignal): Promise<void>;
  /**
   * All peers of all interfaces. When it finds that somebody has taken an interface away or down,
   * it applies the state that was wanted last once more; that may throw as `apply` does.
   */
  observe(): Promise<readonly PeerObservation[]>;
  /**
   * The peers of one interface, at a cost by its peers alone; none when it is not wanted (any more).
   * Repairs nothing.
   *
   * @throws HostError `command-failed` when nobody answers for it, `unreadable-output`
   */
  observeInterface(name: string): Promise<readonly PeerObservation[]>;
  /**
   * Who has exchanged packets through this gateway, or, on a node that seals, with it, within about the
   * last five seconds; none on a node that is neither. No more than 65,535 directions in each family are noticed.
   *
   * @throws HostError after which the next call starts anew
   */
  conversations(): Promise<readonly Conversation[]>;
  /**
   * Those of them that have begun within about the last second: what it costs grows with these alone.
   * None on a node that is nobody's gateway.
   *
   * @throws as `conversations`
   */
  begunConversations(): Promise<readonly Conversation[]>;
  /** Packets that our rules have dropped since this owner's first apply. */
  observeDrops(): Promise<DropCounts>;
  /** Removes all that is this owner's, also what an earlier process has left. */
  destroy(): Promise<void>;
  /**
   * Ends what is run for this process alone, at the next call of `conversations` it is back. Not
   * needed where the process ends.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

const defaultNotesDirectory = '/run/hanse/interfaces';

/** @throws HostError when this machine has no usable WireGuard, see `detectBackend` */
export async function createHost(
  options: HostOptions,
  { runner, log, clock = systemClock }: HostDependencies,
): Promise<Host> {
  const backend = await detectBackend(runner);
  const notes = new InterfaceNotes(options.notesDirectory ?? defaultNotesDirectory);
  return new LinuxHost(ownerMark(options.owner), { backend, runner, log, clock, notes });
}

class LinuxHost implements Host {
  readonly #mark: OwnerMark;
  readonly #dependencies: ConvergenceDependencies;
  readonly #conversations: ConversationReader;
  readonly #loop = new LatestLoop(() => this.#converge());
  #wanted: HostState = { interfaces: [] };
  #signal: AbortSignal = new AbortController().signal;
  /** Undefined whenever the machine may be other than we remember. */
  #memory: AppliedHost | undefined;

  constructor(mark: OwnerMark, dependencies: ConvergenceDependencies) {
    this.#mark = mark;
    this.#dependencies = dependencies;
    this.#conversations = new ConversationReader(dependencies.runner, mark.tableName);
  }

  get backend(): WireguardBackend {
    return this.#dependencies.backend;
  }

  async apply(state: HostState, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#wanted = state;
    this.#signal = signal;
    await this.#loop.request();
  }

  async destroy(): Promise<void> {
    await this.apply({ interfaces: [] }, new AbortController().signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#conversations[Symbol.asyncDispose]();
  }

  async observeInterface(name: string): Promise<readonly PeerObservation[]> {
    if (!this.#wanted.interfaces.some((state) => state.name === name)) return [];
    return observationsOf(name, await readDevice(name, this.#dependencies));
  }

  async conversations(): Promise<readonly Conversation[]> {
    const { gateway, sealing = [] } = this.#wanted;
    return gateway || sealing.length > 0 ? this.#conversations.read() : [];
  }

  async begunConversations(): Promise<readonly Conversation[]> {
    return this.#wanted.gateway ? this.#conversations.readBegun() : [];
  }

  observeDrops(): Promise<DropCounts> {
    return readDropCounts(this.#dependencies.runner, this.#mark.tableName);
  }

  async observe(): Promise<readonly PeerObservation[]> {
    const memory = this.#memory;
    // While an apply goes on, and after one that failed, there is only what was wanted last.
    const names = memory
      ? [...memory.interfaces.keys()]
      : this.#wanted.interfaces.map(({ name }) => name);
    if (names.length === 0) return [];
    const [links, ...dumps] = await Promise.all([
      readLinks(this.#dependencies.runner),
      ...names.map((name) => this.#tryReadDevice(name)),
    ]);
    const broken = names.filter((name, index) => !dumps[index] || !links.get(name)?.isUp);
    if (memory && broken.length > 0) await this.#repair(memory, broken);
    return names.flatMap((name, index) => observationsOf(name, dumps[index]));
  }

  async #converge(): Promise<void> {
    const memory = this.#memory;
    this.#memory = undefined;
    const run = new Convergence(this.#mark, this.#dependencies, this.#signal);
    this.#memory = await run.run(this.#wanted, memory);
  }

  /** Undefined when nobody answers for the interface. */
  #tryReadDevice(name: string): Promise<DeviceDump | undefined> {
    return readDevice(name, this.#dependencies).catch((error: unknown) => {
      this.#dependencies.log.debug({ error, interface: name }, 'an interface does not answer');
      return undefined;
    });
  }

  async #repair(seen: AppliedHost, broken: readonly string[]): Promise<void> {
    // An apply that came in between may have removed them on purpose.
    if (this.#memory !== seen) return;
    this.#dependencies.log.warn({ interfaces: broken }, 'interfaces are gone or down: repairing');
    this.#memory = undefined;
    await this.#loop.request();
  }
}

function observationsOf(
  interfaceName: string,
  dump: DeviceDump | undefined,
): readonly PeerObservation[] {
  return (dump?.peers ?? []).map((peer) => ({
    interfaceName,
    publicKey: peer.publicKey,
    ...(peer.endpoint === undefined ? {} : { endpoint: peer.endpoint }),
    ...(peer.latestHandshakeMs === 0 ? {} : { latestHandshakeMs: peer.latestHandshakeMs }),
    receivedBytes: peer.receivedBytes,
    sentBytes: peer.sentBytes,
  }));
}
