import { type AttemptOutcome, staggered } from '../../runtime/staggered.ts';
import { ClientError } from './client-error.ts';
import {
  type ConnectOptions,
  connectDirectly,
  connectThrough,
  type MasterSocket,
} from './master-socket.ts';
import type { ApiCredentials, KnownMaster } from './operator-profile.ts';

/** Two round trips around the world and a handshake; a master that needs longer keeps its chance. */
const headStartMs = 500;

export interface MasterConnectorOptions {
  readonly profile: ApiCredentials;
  /** For a connection to be made, TLS included. */
  readonly connectTimeoutMs: number;
}

/**
 * Connections to any master, through the first one that can be reached: that one is kept as the
 * entry for as long as it does.
 */
export class MasterConnector {
  readonly #options: MasterConnectorOptions;
  /** In the order in which they are tried when nothing else is known. */
  #masters: readonly KnownMaster[];
  #entry: KnownMaster | undefined;
  /** Entries that were given up, and masters that could not be reached directly: last choices. */
  readonly #avoided = new Set<string>();

  constructor(options: MasterConnectorOptions) {
    this.#options = options;
    this.#masters = options.profile.masters;
  }

  /** Adds masters that the profile does not know. */
  learn(masters: readonly KnownMaster[]): void {
    const known = new Set(this.#masters.map(({ name }) => name));
    this.#masters = [...this.#masters, ...masters.filter(({ name }) => !known.has(name))];
  }

  /** Prefers other masters than the entry from now on: it may be cut off from them, or behind. */
  leaveEntry(): void {
    if (this.#entry) this.#avoided.add(this.#entry.name);
    this.#entry = undefined;
  }

  /**
   * @param target undefined when any master will do
   * @throws ClientError; ApiError when the entry refuses to relay. Nothing was asked of the target
   */
  async connect(target: KnownMaster | undefined, signal?: AbortSignal): Promise<MasterSocket> {
    const entry = await this.#connectEntry(signal);
    if (target === undefined || target.name === entry.master.name) return entry;
    return connectThrough(entry, target, this.#connectOptions(signal));
  }

  /**
   * Connects to several masters, each as `connect` does, and tells of each as soon as it is
   * connected or has failed: a silent one does not hold up those after it.
   */
  connectEach(
    targets: readonly KnownMaster[],
    signal: AbortSignal,
  ): AsyncGenerator<AttemptOutcome<KnownMaster, MasterSocket>, void> {
    const attempt = (target: KnownMaster, stop: AbortSignal) => this.connect(target, stop);
    return staggered(targets, attempt, { headStartMs, discard: hangUp, signal });
  }

  /** The first that proves its name; one that says nothing for a while is tried beside the next. */
  async #connectEntry(signal: AbortSignal | undefined): Promise<MasterSocket> {
    const failures: ClientError[] = [];
    const attempt = (master: KnownMaster, stop: AbortSignal) =>
      connectDirectly(master, this.#connectOptions(stop));
    const options = { headStartMs, discard: hangUp, ...(signal ? { signal } : {}) };
    for await (const { item, result } of staggered(this.#candidates(), attempt, options)) {
      if (result.status === 'fulfilled') {
        this.#entry = item;
        return result.value;
      }
      if (!(result.reason instanceof ClientError)) throw result.reason;
      this.#avoided.add(item.name);
      failures.push(result.reason);
    }
    throw noEntry(this.#options.profile, failures);
  }

  #connectOptions(signal: AbortSignal | undefined): ConnectOptions {
    const { profile, connectTimeoutMs } = this.#options;
    return { profile, timeoutMs: connectTimeoutMs, ...(signal ? { signal } : {}) };
  }

  #candidates(): readonly KnownMaster[] {
    const rank = ({ name }: KnownMaster): number => {
      if (name === this.#entry?.name) return 0;
      return this.#avoided.has(name) ? 2 : 1;
    };
    return this.#masters.toSorted((one, other) => rank(one) - rank(other));
  }
}

/** Nobody asked anything over it, and nobody will. */
function hangUp({ socket }: MasterSocket): void {
  socket.destroy();
}

/** One failure is told as it is; several as the first one's kind, with all of them listed. */
function noEntry(profile: ApiCredentials, failures: readonly ClientError[]): ClientError {
  const [first] = failures;
  if (!first) {
    return new ClientError(
      `no master of ${profile.vpn} is known here yet: create one with \`hanse master create\``,
      { code: 'no-masters' },
    );
  }
  if (failures.length === 1) return first;
  const list = failures.map(({ message }) => `\n  ${message}`).join('');
  const outage = failures.find(({ code }) => code === 'unreachable') ?? first;
  return new ClientError(`no master of ${profile.vpn} can be reached:${list}`, {
    code: outage.code,
    retryable: outage.retryable,
    cause: new AggregateError(failures),
  });
}
