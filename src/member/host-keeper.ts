import type { DirectFacts } from '../core/direct-plan.ts';
import { type MembershipFacts, planMember } from '../core/member-plan.ts';
import type { SealedFacts } from '../core/sealed-plan.ts';
import { interfaceName } from '../host/interface-name.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import { LatestLoop } from '../runtime/latest-loop.ts';
import type { MemberHost } from './member-host.ts';

interface Entry {
  readonly rankMs: number;
  readonly facts: MembershipFacts;
}

/** Whoever stops a daemon does not wait much longer. */
const longestLeaveMs = 5_000;

/**
 * The one place that tells the host what to look like, for all memberships together: they share
 * one routing table. Changes that come while an earlier state is being applied are applied together.
 */
export class HostKeeper {
  readonly #host: Promise<MemberHost>;
  #signal: AbortSignal;
  readonly #entries = new Map<string, Entry>();
  /** Memberships that are about to be set, and what waits for them. */
  readonly #expected = new Set<string>();
  #complete = Promise.withResolvers<void>();
  readonly #loop = new LatestLoop(() => this.#apply());

  /** @param host may still be on its way: finding out what the machine can do takes a while */
  constructor(host: Promise<MemberHost>, signal: AbortSignal) {
    this.#host = host;
    this.#signal = signal;
    this.#complete.resolve();
  }

  /**
   * Leaves the host as it is until all of these have been set or skipped: it would take away what it
   * has of those that it has not heard of yet.
   */
  expect(memberships: readonly string[]): void {
    for (const membership of memberships) this.#expected.add(membership);
    this.#complete = Promise.withResolvers<void>();
  }

  /** There is nothing to wait for of this membership. */
  skip(membership: string): void {
    if (this.#expected.delete(membership) && this.#expected.size === 0) this.#complete.resolve();
  }

  /**
   * Resolves when the host looks so.
   * @param rankMs among the memberships of its VPN, of which the smallest carries the VPN's routes; behind
   *   them come those that are leaving
   */
  set(membership: string, rankMs: number, facts: MembershipFacts): Promise<void> {
    this.#entries.set(membership, { rankMs, facts });
    this.skip(membership);
    return this.#loop.request();
  }

  /**
   * Moves the membership's routes to another of its interfaces. Nothing else changes, so it takes as
   * long as a change of routes. Resolves when it is done.
   */
  use(membership: string, interfaceName: string): Promise<void> {
    const entry = this.#entries.get(membership);
    if (!entry?.facts.admission) return Promise.resolve();
    const admission = { ...entry.facts.admission, using: interfaceName };
    return this.set(membership, entry.rankMs, { ...entry.facts, admission });
  }

  /**
   * Changes the membership's direct peers and nothing else, as fast as `use`. Resolves when it is done,
   * also for a membership that the host has not heard of, or has not any more.
   */
  setDirect(membership: string, direct: DirectFacts | undefined): Promise<void> {
    return this.#change(membership, ({ direct: _, ...others }) =>
      direct ? { ...others, direct } : others,
    );
  }

  /** The same with its sealed tunnels. */
  setSealed(membership: string, sealed: SealedFacts | undefined): Promise<void> {
    return this.#change(membership, ({ sealed: _, ...others }) =>
      sealed ? { ...others, sealed } : others,
    );
  }

  /**
   * Takes all direct paths out of use, for when nobody is going to watch them any more: a dead one would
   * swallow packets until the next start. Peers and tunnels stay. It is the last that is asked of the
   * host, and done although everything else is stopped.
   */
  async leaveDirect(): Promise<void> {
    this.#signal = AbortSignal.timeout(longestLeaveMs);
    for (const [membership, { rankMs, facts }] of this.#entries) {
      const { direct } = facts;
      if (!direct?.peers.some(({ isRouted }) => isRouted)) continue;
      const peers = direct.peers.map((peer) => ({ ...peer, isRouted: false }));
      await this.set(membership, rankMs, { ...facts, direct: { ...direct, peers } });
    }
  }

  /** Resolves when the membership's interfaces, routes and keys are gone from the host. */
  remove(membership: string): Promise<void> {
    this.skip(membership);
    return this.#entries.delete(membership) ? this.#loop.request() : Promise.resolve();
  }

  /** Resolves when the host looks as it should: what a crash has left there is gone. */
  refresh(): Promise<void> {
    return this.#loop.request();
  }

  #change(membership: string, change: (facts: MembershipFacts) => MembershipFacts): Promise<void> {
    const entry = this.#entries.get(membership);
    if (!entry) return Promise.resolve();
    return this.set(membership, entry.rankMs, change(entry.facts));
  }

  async #apply(): Promise<void> {
    await this.#complete.promise;
    const host = await this.#host;
    const inOrder = [...this.#entries.values()].sort(compare);
    await host.apply(planMember(inOrder.map(({ facts }) => facts)), this.#signal);
  }
}

function compare(one: Entry, other: Entry): number {
  const behind = Number(one.facts.isLeaving ?? false) - Number(other.facts.isLeaving ?? false);
  return behind === 0 ? one.rankMs - other.rankMs : behind;
}

/** The names of the interfaces of all direct peers of a membership, and of all its sealed tunnels. */
export function peerInterfaceNames(identityKey: IdentityKey, membership: string) {
  const nameOf = (pathClass: string) =>
    interfaceName({ vpnId: identityKey, node: membership, pathClass });
  return { direct: nameOf('direct'), sealed: nameOf('sealed') };
}

/**
 * The name of one of a membership's interfaces. The first is made before the VPN's id is known, so
 * the identity key, which every member has for itself, stands in for it.
 * @param slot 0 for the one that is made before the admission, towards whoever acts then
 */
export function memberInterfaceName(
  identityKey: IdentityKey,
  membership: string,
  slot: number,
): string {
  const pathClass = slot === 0 ? 'acting' : `path-${slot}`;
  return interfaceName({ vpnId: identityKey, node: membership, pathClass });
}
