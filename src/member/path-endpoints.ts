import { hostOf } from '../model/endpoint.ts';
import { describeError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';
import { parseAddress } from '../model/prefix.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { TrustedMaster } from './master-trust.ts';
import type { MemberHost } from './member-host.ts';
import { type ResolveHost, resolveEndpoint } from './resolve-endpoint.ts';

/** What every IPv6 link can carry (RFC 8200 §5): until the way to the master is known. */
export const cautiousMtuBytes = 1_280;

/** A resolver that takes longer than this does not hold up the masters that are found. */
const longestLookupMs = 1_000;

/** Where a master's tunnel ends. */
export interface PathEndpoint {
  /** Numeric; absent while the master's name cannot be resolved. */
  readonly endpoint?: string;
  readonly mtuBytes: number;
}

interface Lookup extends PathEndpoint {
  readonly wireguard: TrustedMaster['wireguard'];
}

export interface PathEndpointsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Promise<MemberHost>;
  readonly resolveHost: ResolveHost;
  /** Something was found when nobody waited for it any more. */
  readonly onLate: () => void;
}

/** The ends of one membership's tunnels, looked up each for itself. */
export class PathEndpoints {
  readonly #membership: string;
  readonly #dependencies: PathEndpointsDependencies;
  readonly #found = new Map<MasterName, Lookup>();

  constructor(membership: string, dependencies: PathEndpointsDependencies) {
    this.#membership = membership;
    this.#dependencies = dependencies;
  }

  /** What is known of the master's end by now. */
  of({ name, wireguard }: TrustedMaster): PathEndpoint {
    const found = this.#found.get(name);
    return found && isSame(found.wireguard, wireguard) ? found : { mtuBytes: cautiousMtuBytes };
  }

  /** Looks all of them up again. Resolves after a second at the latest; `onLate` tells the rest. */
  async refresh(masters: readonly TrustedMaster[]): Promise<void> {
    const { clock, onLate } = this.#dependencies;
    const done = new AbortController();
    const lookups = Promise.all(masters.map((master) => this.#lookUp(master))).then(() => 'all');
    const patience = clock.sleep(longestLookupMs, done.signal).then(
      () => 'late',
      () => 'all',
    );
    if ((await Promise.race([lookups, patience])) === 'late') void lookups.then(onLate);
    else done.abort();
  }

  /** Looks up those of which nothing is known, as `refresh` does. */
  async complete(masters: readonly TrustedMaster[]): Promise<void> {
    const unknown = masters.filter((master) => this.of(master).endpoint === undefined);
    if (unknown.length > 0) await this.refresh(unknown);
  }

  /** Keeps what it had when there is no resolver or no route now: it may still be right. */
  async #lookUp(master: TrustedMaster): Promise<void> {
    const { resolveHost, log } = this.#dependencies;
    const { name, wireguard } = master;
    try {
      const endpoint = await resolveEndpoint(wireguard.host, wireguard.port, resolveHost);
      this.#found.set(name, { wireguard, endpoint, mtuBytes: this.of(master).mtuBytes });
      const host = await this.#dependencies.host;
      const mtuBytes = await host.tunnelMtuBytes(parseAddress(hostOf(endpoint)));
      this.#found.set(name, { wireguard, endpoint, mtuBytes });
    } catch (error) {
      const fields = { membership: this.#membership, master: name, reason: describeError(error) };
      log.warn(fields, 'no way to a master is known');
    }
  }
}

function isSame(a: TrustedMaster['wireguard'], b: TrustedMaster['wireguard']): boolean {
  return a.host === b.host && a.port === b.port;
}
