import { masterLinkLocal, memberLinkLocal } from '../core/addressing.ts';
import { choosePath } from '../core/path-choice.ts';
import type { MasterName } from '../model/names.ts';
import type { Address } from '../model/prefix.ts';
import type { PathStatus, WatchedPath } from '../paths/path-monitor.ts';
import type { Clock } from '../runtime/clock.ts';

/** The tunnel to a master. */
export interface MasterPath {
  readonly master: MasterName;
  readonly interfaceName: string;
}

export interface MembershipPathsOptions {
  /** Through whom traffic went before: it is left where it is until another path has proved better. */
  readonly usedBefore?: MasterName;
}

export interface MembershipPathsDependencies {
  readonly clock: Clock;
  /** Told when traffic has to move, at once and without a pause before it: the old path is dead. */
  readonly onUse: (interfaceName: string) => void;
}

/** The master in use hears that it is, and anew after its restart, within this time. */
const usedProbeMs = 5_000;
/** Others only have to be known as alive or dead when they are needed; a wrong belief costs half a second. */
const idleProbeMs = 10_000;

/** One membership's tunnels: which are alive, and which is in use (`core/path-choice`). */
export class MembershipPaths {
  readonly #dependencies: MembershipPathsDependencies;
  readonly #listeners = new Set<() => void>();
  /** By interface; undefined while it is dead. One that is new counts as alive from its first probe on. */
  readonly #aliveSinceMs = new Map<string, number | undefined>();
  readonly #usedBefore: MasterName | undefined;
  #paths: readonly MasterPath[] = [];
  #using: string | undefined;
  #moves = 0;
  /** Ends the wait for a path to settle. */
  #settling = new AbortController();

  constructor(options: MembershipPathsOptions, dependencies: MembershipPathsDependencies) {
    this.#usedBefore = options.usedBefore;
    this.#dependencies = dependencies;
  }

  /** The path in use; undefined before the first plan. */
  get using(): MasterPath | undefined {
    return this.#paths.find(({ interfaceName }) => interfaceName === this.#using);
  }

  /** How often traffic has moved from one path to another. */
  get moves(): number {
    return this.#moves;
  }

  /** Whether nothing speaks against the tunnel to the master. */
  isAlive(master: MasterName): boolean {
    const interfaceName = this.interfaceOf(master);
    return interfaceName === undefined || this.#aliveSinceMs.get(interfaceName) !== undefined;
  }

  /** Undefined for a master of whom there was no plan yet. */
  interfaceOf(master: MasterName): string | undefined {
    return this.#paths.find((each) => each.master === master)?.interfaceName;
  }

  /**
   * Takes over which paths there are, best first, at least one, and returns the one to use. The
   * caller sees to the routes; `onUse` is not told.
   */
  plan(paths: readonly MasterPath[]): MasterPath {
    const provedMs = this.#dependencies.clock.monotonicMs() + idleProbeMs;
    const names = new Set(paths.map(({ interfaceName }) => interfaceName));
    for (const name of this.#aliveSinceMs.keys()) {
      if (!names.has(name)) this.#aliveSinceMs.delete(name);
    }
    for (const name of names) {
      if (!this.#aliveSinceMs.has(name)) this.#aliveSinceMs.set(name, provedMs);
    }
    this.#paths = paths;
    if (this.#using === undefined && this.#usedBefore !== undefined) {
      this.#using = this.interfaceOf(this.#usedBefore);
    }
    this.#choose();
    this.#notify();
    const { using } = this;
    if (!using) throw new Error('a membership has at least one path');
    return using;
  }

  /** What is to be watched. @param ipv6 the member's address */
  watched(ipv6: Address): readonly WatchedPath[] {
    return this.#paths.map(({ interfaceName }) => {
      const using = interfaceName === this.#using;
      return {
        interfaceName,
        ownLinkLocal: memberLinkLocal(ipv6),
        remoteLinkLocal: masterLinkLocal,
        using,
        idleProbeMs: using ? usedProbeMs : idleProbeMs,
      };
    });
  }

  /** Takes in which tunnels have died and come back: all of one moment, so that none is moved to in vain. */
  look(statuses: ReadonlyMap<string, Pick<PathStatus, 'isAlive'>>): void {
    const nowMs = this.#dependencies.clock.monotonicMs();
    let hasChanged = false;
    for (const [name, sinceMs] of this.#aliveSinceMs) {
      const isAlive = statuses.get(name)?.isAlive;
      // One that is not watched yet is as it was.
      if (isAlive === undefined || isAlive === (sinceMs !== undefined)) continue;
      this.#aliveSinceMs.set(name, sinceMs === undefined ? nowMs : undefined);
      hasChanged = true;
    }
    if (hasChanged) this.#reconsider();
  }

  /** Calls the listener after each change of what the other members of this class say; until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves at the next change. @throws the signal's reason */
  async nextChange(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    const forget = this.onChange(resolve);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      forget();
      signal.removeEventListener('abort', abort);
    }
  }

  /** Nothing is chosen any more. */
  close(): void {
    this.#settling.abort();
    this.#aliveSinceMs.clear();
    this.#paths = [];
  }

  #reconsider(): void {
    if (this.#choose() && this.#using !== undefined) this.#dependencies.onUse(this.#using);
    this.#notify();
  }

  /** @returns whether another path is to be used than before */
  #choose(): boolean {
    this.#settling.abort();
    const candidates = this.#paths.map(({ interfaceName: name }) => {
      const aliveSinceMs = this.#aliveSinceMs.get(name);
      return aliveSinceMs === undefined ? { name } : { name, aliveSinceMs };
    });
    const before = this.#using;
    const nowMs = this.#dependencies.clock.monotonicMs();
    const { using, reconsiderInMs } = choosePath(candidates, before, nowMs);
    this.#using = using;
    if (reconsiderInMs !== undefined) void this.#settle(reconsiderInMs);
    if (using === before) return false;
    if (before !== undefined) this.#moves += 1;
    return true;
  }

  async #settle(waitMs: number): Promise<void> {
    this.#settling = new AbortController();
    try {
      await this.#dependencies.clock.sleep(waitMs, this.#settling.signal);
    } catch {
      // Something has changed meanwhile, and was considered.
      return;
    }
    this.#reconsider();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
