import type { DirectFacts } from '../core/direct-plan.ts';
import { type MembershipFacts, planMember } from '../core/member-plan.ts';
import { interfaceName } from '../host/interface-name.ts';
import type { IdentityKey } from '../model/records.ts';
import { LatestLoop } from '../runtime/latest-loop.ts';
import type { MemberHost } from './member-host.ts';

interface Entry {
  readonly order: number;
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
  readonly #loop = new LatestLoop(() => this.#apply());

  /** @param host may still be on its way: finding out what the machine can do takes a while */
  constructor(host: Promise<MemberHost>, signal: AbortSignal) {
    this.#host = host;
    this.#signal = signal;
  }

  /**
   * Resolves when the host looks so.
   * @param order when the membership was joined; the earliest of a VPN carries its routes
   */
  set(membership: string, order: number, facts: MembershipFacts): Promise<void> {
    this.#entries.set(membership, { order, facts });
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
    return this.set(membership, entry.order, { ...entry.facts, admission });
  }

  /**
   * Changes the membership's direct peers and nothing else, as fast as `use`. Resolves when it is done,
   * also for a membership that the host has not heard of, or has not any more.
   */
  setDirect(membership: string, direct: DirectFacts | undefined): Promise<void> {
    const entry = this.#entries.get(membership);
    return entry
      ? this.set(membership, entry.order, withDirect(entry.facts, direct))
      : Promise.resolve();
  }

  /**
   * Takes all direct paths out of use, for when nobody is going to watch them any more: a dead one would
   * swallow packets until the next start. Peers and tunnels stay. It is the last that is asked of the
   * host, and done although everything else is stopped.
   */
  async leaveDirect(): Promise<void> {
    this.#signal = AbortSignal.timeout(longestLeaveMs);
    for (const [membership, { order, facts }] of this.#entries) {
      const { direct } = facts;
      if (!direct?.peers.some(({ isRouted }) => isRouted)) continue;
      const peers = direct.peers.map((peer) => ({ ...peer, isRouted: false }));
      await this.set(membership, order, { ...facts, direct: { ...direct, peers } });
    }
  }

  /** Resolves when the membership's interfaces, routes and keys are gone from the host. */
  remove(membership: string): Promise<void> {
    return this.#entries.delete(membership) ? this.#loop.request() : Promise.resolve();
  }

  /** Resolves when the host looks as it should: what a crash has left there is gone. */
  refresh(): Promise<void> {
    return this.#loop.request();
  }

  async #apply(): Promise<void> {
    const host = await this.#host;
    const inOrder = [...this.#entries.values()].sort((a, b) => a.order - b.order);
    await host.apply(planMember(inOrder.map(({ facts }) => facts)), this.#signal);
  }
}

function withDirect(facts: MembershipFacts, direct: DirectFacts | undefined): MembershipFacts {
  const { direct: _, ...others } = facts;
  return direct ? { ...others, direct } : others;
}

/** The name of the interface of all direct peers of a membership. */
export function directInterfaceName(identityKey: IdentityKey, membership: string): string {
  return interfaceName({ vpnId: identityKey, node: membership, pathClass: 'direct' });
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
