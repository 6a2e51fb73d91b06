import { hasExpired, isReusable } from '../../core/departure.ts';
import { hasOverstayed } from '../../core/move.ts';
import type { MasterName, MemberName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { inviteKey, inviteUseKey, memberKey, placementKey } from '../../store/keys.ts';
import type { Departures } from './departures.ts';
import type { SubsetState } from './subset-state.ts';

/** etcd refuses transactions of more than 128 operations; each released name takes two. */
const deletionsPerTransaction = 48;

/** How long an invite stays listed after its end. */
const endedInviteMs = 60 * 60_000;

export interface SweeperDependencies {
  readonly clock: Clock;
  readonly departures: Departures;
  /** A member with a session has not been away, whatever its certificate says. */
  readonly isConnected: (member: MemberRecord) => boolean;
}

/** What time does to a subset: absent members expire, moved ones leave, names come free, keys grow old. */
export class Sweeper {
  readonly #state: SubsetState;
  readonly #dependencies: SweeperDependencies;
  readonly #actor: string;

  constructor(
    options: { state: SubsetState; master: MasterName },
    dependencies: SweeperDependencies,
  ) {
    this.#state = options.state;
    this.#actor = `master:${options.master}`;
    this.#dependencies = dependencies;
  }

  /** @throws MasterError, StoreError; a later sweep takes up what this one did not do */
  async sweep(): Promise<void> {
    const nowMs = this.#dependencies.clock.nowMs();
    await this.#expireAbsent(nowMs);
    await this.#removeMoved(nowMs);
    await this.#releaseNames(nowMs);
    await this.#forgetInvites(nowMs);
    if (this.#state.key.createdAtMs + this.#state.lifetimes.keyRotationMs <= nowMs) {
      await this.#dependencies.departures.rotate(this.#actor);
    }
  }

  async #expireAbsent(nowMs: number): Promise<void> {
    const { roll, lifetimes } = this.#state;
    const { departures, isConnected } = this.#dependencies;
    const absent = [...roll.activeMembers()].filter(
      (member) => hasExpired(member, lifetimes, nowMs) && !isConnected(member),
    );
    await Promise.all(absent.map(({ name }) => departures.remove(name, 'expired', this.#actor)));
  }

  /** They are members elsewhere, and were told when to leave. */
  async #removeMoved(nowMs: number): Promise<void> {
    const { departures } = this.#dependencies;
    const moved = [...this.#state.roll.activeMembers()].filter((one) => hasOverstayed(one, nowMs));
    await Promise.all(moved.map(({ name }) => departures.remove(name, 'left', this.#actor)));
  }

  async #releaseNames(nowMs: number): Promise<void> {
    const { roll, inFlight } = this.#state;
    const free = [...roll.members()].filter((member) => isReusable(member, nowMs));
    for (const chunk of chunks(free.map(({ name }) => name))) {
      await inFlight.runForAll(chunk, () => this.#release(chunk, nowMs));
    }
  }

  async #release(names: readonly MemberName[], nowMs: number): Promise<void> {
    const { roll, subset } = this.#state;
    // Its former bearer may have taken one up again meanwhile.
    const free = names.filter((name) => {
      const member = roll.findByName(name);
      return member && isReusable(member, nowMs);
    });
    if (free.length === 0) return;
    await this.#state.commit({
      then: free.map((name) => ({ delete: memberKey(subset, name) })),
      audit: free.map((name) => ({ action: 'name-released', actor: this.#actor, subject: name })),
    });
    for (const name of free) roll.deleteMember(name);
  }

  /** The uses go last: an invite without its uses would be a new one. */
  async #forgetInvites(nowMs: number): Promise<void> {
    const { roll, subset } = this.#state;
    const ended = roll
      .invites()
      .filter(({ invite }) => invite.expiresAtMs + endedInviteMs <= nowMs);
    await this.#delete(ended.map(({ invite }) => inviteKey(subset, invite.id)));
    await this.#delete([...roll.orphanedUses()].map(([id, use]) => inviteUseKey(subset, id, use)));
    const placements = [...roll.orphanedPlacements()];
    await this.#delete(placements.map(([id, identity]) => placementKey(subset, id, identity)));
  }

  async #delete(keys: readonly string[]): Promise<void> {
    for (const chunk of chunks(keys)) {
      await this.#state.commit({ then: chunk.map((key) => ({ delete: key })), audit: [] });
      for (const key of chunk) this.#state.roll.delete(key);
    }
  }
}

function* chunks<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += deletionsPerTransaction) {
    yield items.slice(start, start + deletionsPerTransaction);
  }
}
