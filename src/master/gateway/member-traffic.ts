import { addToCount, beginCount, type TrafficCount } from '../../core/traffic-count.ts';
import type { PeerObservation } from '../../host/host.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';

export interface MemberTrafficDependencies {
  /** The subsets that this master acts for, now. */
  readonly acting: () => readonly {
    readonly subset: SubsetName;
    readonly members: Iterable<MemberRecord>;
  }[];
  readonly clock: Clock;
}

/**
 * How much goes between this master and each member that it acts for, both ways, since it began to
 * count: in memory only, and no more than there are members. Whose subset goes to another master is
 * forgotten, because that one's traffic is not seen here.
 */
export class MemberTraffic {
  readonly #dependencies: MemberTrafficDependencies;
  #subsets: ReadonlyMap<SubsetName, ReadonlyMap<MemberName, TrafficCount>> = new Map();

  constructor(dependencies: MemberTrafficDependencies) {
    this.#dependencies = dependencies;
  }

  /** The counters of WireGuard have been read. */
  note(peers: readonly PeerObservation[]): void {
    const { acting, clock } = this.#dependencies;
    const nowMs = clock.monotonicMs();
    const counters = new Map(
      peers.map(({ publicKey, receivedBytes, sentBytes }) => [
        publicKey,
        receivedBytes + sentBytes,
      ]),
    );
    this.#subsets = new Map(
      acting().map(({ subset, members }) => {
        const before = this.#subsets.get(subset);
        const counts = Array.from(members).flatMap(({ name, keys }) => {
          const [known, counter] = [before?.get(name), counters.get(keys.acting)];
          // A peer that is not there is about to be.
          if (counter === undefined) return known ? [[name, known] as const] : [];
          const count = known ? addToCount(known, counter, nowMs) : beginCount(counter, nowMs);
          return [[name, count] as const];
        });
        return [subset, new Map(counts)];
      }),
    );
  }

  /** Undefined for a member that nothing has been counted of yet. */
  of({
    subset,
    name,
  }: Pick<MemberRecord, 'subset' | 'name'>):
    | { readonly bytes: number; readonly overMs: number }
    | undefined {
    const count = this.#subsets.get(subset)?.get(name);
    if (!count) return undefined;
    return {
      bytes: Math.round(count.bytes),
      overMs: this.#dependencies.clock.monotonicMs() - count.sinceMs,
    };
  }
}
