import { ClientError } from './client-error.ts';
import { connectDirectly, connectThrough, type MasterSocket } from './master-socket.ts';
import type { ApiCredentials, KnownMaster } from './operator-profile.ts';

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
    const options = {
      profile: this.#options.profile,
      timeoutMs: this.#options.connectTimeoutMs,
      ...(signal ? { signal } : {}),
    };
    const entry = await this.#connectEntry(options);
    if (target === undefined || target.name === entry.master.name) return entry;
    return connectThrough(entry, target, options);
  }

  /** Tries the masters in turn until one has proved its name. */
  async #connectEntry(options: Parameters<typeof connectDirectly>[1]): Promise<MasterSocket> {
    const failures: ClientError[] = [];
    for (const master of this.#candidates()) {
      try {
        const connection = await connectDirectly(master, options);
        this.#entry = master;
        return connection;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        this.#avoided.add(master.name);
        failures.push(error);
      }
    }
    throw noEntry(this.#options.profile, failures);
  }

  #candidates(): readonly KnownMaster[] {
    const rank = ({ name }: KnownMaster): number => {
      if (name === this.#entry?.name) return 0;
      return this.#avoided.has(name) ? 2 : 1;
    };
    return this.#masters.toSorted((one, other) => rank(one) - rank(other));
  }
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
