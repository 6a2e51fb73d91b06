import type { SubsetName, VpnName } from '../../model/names.ts';
import type { MemberEntry } from '../member-entry.ts';
import type { Membership } from '../membership.ts';
import type { MembershipState } from '../membership-files.ts';
import { isJoinCancelled } from '../membership-problems.ts';

/** What a move needs of the other memberships of this member. */
export interface Destinations {
  /** Resolves when all that is on the disk is taken up. */
  readonly resumed: Promise<void>;
  /**
   * The membership in that subset: the one that is there, or one that is being joined, or one that
   * is joined with the token now. Only a join that has begun goes on after the signal.
   * @throws as `Member.join`; the signal's reason
   */
  arrive(
    vpn: VpnName,
    to: SubsetName,
    options: { readonly token: string; readonly signal: AbortSignal },
  ): Promise<Membership>;
  /** Undefined while there is none, or it is being joined. */
  find(vpn: VpnName, to: SubsetName): Membership | undefined;
  /** Takes back what a move has begun: gives up its join, and leaves what was joined since then. */
  giveUp(vpn: VpnName, to: SubsetName, sinceMs: number): Promise<void>;
}

export interface DestinationsDependencies {
  readonly entries: ReadonlyMap<string, MemberEntry>;
  readonly join: (token: string) => Promise<MembershipState>;
  readonly resumed: Promise<void>;
}

export function createDestinations({
  entries,
  join,
  resumed,
}: DestinationsDependencies): Destinations {
  const entryOf = (vpn: VpnName, to: SubsetName) => entries.get(`${vpn}.${to}`);
  const find = (vpn: VpnName, to: SubsetName) => {
    const entry = entryOf(vpn, to);
    return entry?.kind === 'running' ? entry.loop.membership : undefined;
  };
  return {
    resumed,
    find,
    async arrive(vpn, to, { token, signal }) {
      const entry = entryOf(vpn, to);
      // One of an order before may have been answered already; another token would be refused then.
      if (entry?.kind === 'joining') await entry.joined.catch(rethrowIfCancelled);
      signal.throwIfAborted();
      const found = find(vpn, to);
      if (found) return found;
      await join(token);
      const joined = find(vpn, to);
      if (joined) return joined;
      throw new Error(`${vpn}.${to} was joined and is not there`);
    },
    async giveUp(vpn, to, sinceMs) {
      const entry = entryOf(vpn, to);
      if (entry?.kind === 'joining' && entry.sinceMs >= sinceMs) await entry.cancel();
      if (entry?.kind !== 'running') return;
      if (entry.loop.membership.state.joinedAtMs < sinceMs) return;
      await entry.loop.leave().catch(() => entry.loop.forget());
    },
  };
}

/** Whoever gives a join up does not want another one. */
function rethrowIfCancelled(error: unknown): void {
  if (isJoinCancelled(error)) throw error;
}
