import { type DepartureState, planDeparture } from '../../core/departure.ts';
import type { MemberName } from '../../model/names.ts';
import type { AuditAction } from '../../model/records/audit.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { BanRecord, MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { KeyedQueue } from '../../runtime/keyed-queue.ts';
import { banKey, memberKey } from '../../store/keys.ts';
import type { Operation } from '../../store/store.ts';
import type { RotationPlan, StoredGroupKey } from '../group-key-store.ts';
import type { AuditNote } from './roll-writer.ts';
import type { SubsetState } from './subset-state.ts';

/** A departure that is durable. */
export interface Departure {
  readonly member: MemberRecord;
  /** The key without the member; whoever has applied its revision has applied the departure. */
  readonly key: StoredGroupKey;
}

interface Request {
  readonly name: MemberName;
  readonly state: DepartureState;
  readonly actor: string;
  readonly resolve: (departure: Departure) => void;
  readonly reject: (error: unknown) => void;
}

interface Accepted {
  readonly request: Request;
  /** The record as it will be. */
  readonly member: MemberRecord;
}

/** etcd refuses transactions of more than 128 operations; a departure takes up to three. */
const departuresPerTransaction = 32;

const auditActions: Record<DepartureState, AuditAction> = {
  left: 'member-left',
  evicted: 'member-evicted',
  banned: 'member-banned',
  expired: 'member-expired',
};

const noChange = (): void => undefined;

/**
 * Takes members out of the roll and rotates the subset key, in one transaction. Departures that
 * are asked for while one is being written share the next transaction and its rotation.
 */
export class Departures {
  readonly #state: SubsetState;
  readonly #clock: Clock;
  readonly #rotations = new KeyedQueue<'rotation'>();
  #waiting: Request[] = [];
  #draining = false;

  constructor(state: SubsetState, dependencies: { readonly clock: Clock }) {
    this.#state = state;
    this.#clock = dependencies.clock;
  }

  /**
   * @param actor who asked, as the audit log names it
   * @throws MasterError `no-such-member`, `not-active`, `not-acting`; StoreError when it could not be written
   */
  async remove(name: MemberName, state: DepartureState, actor: string): Promise<Departure> {
    await this.#state.inFlight.settled(name);
    this.#state.requireMember(name);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name, state, actor, resolve, reject });
      void this.#drain();
    });
  }

  /**
   * Rotates the key though nobody leaves. What is being written comes first, another rotation too, so
   * that each has its own epoch.
   * @param action what the audit log calls it: whether it was due, or asked for
   * @throws MasterError `not-acting`; StoreError when it could not be written
   */
  async rotate(
    actor: string,
    action: Extract<AuditAction, `key-rotated${string}`> = 'key-rotated',
  ): Promise<StoredGroupKey> {
    return this.#write([], [{ action, actor, subject: this.#state.subset }], noChange);
  }

  /**
   * Takes the key that all subsets are to have. Nothing happens when this subset has gone past its epoch.
   * @throws MasterError `not-acting`; StoreError when it could not be written
   */
  async adopt(shared: Omit<StoredGroupKey, 'revision'>, actor: string): Promise<void> {
    const note = { action: 'key-rotated', actor, subject: this.#state.subset } as const;
    await this.#rotations.run('rotation', async () => {
      if (this.#state.key.epoch >= shared.epoch) return;
      await this.#replace(
        this.#state.keys.planKey(shared, this.#state.key.epoch),
        [],
        [note],
        noChange,
      );
    });
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    try {
      while (this.#waiting.length > 0) {
        await this.#removeBatch(this.#waiting.splice(0, departuresPerTransaction));
      }
    } finally {
      this.#draining = false;
    }
  }

  async #removeBatch(batch: readonly Request[]): Promise<void> {
    let accepted: readonly Accepted[] = [];
    try {
      const names = batch.map(({ name }) => name);
      const key = await this.#state.inFlight.runForAll(names, () => {
        accepted = this.#accept(batch);
        return this.#commit(accepted);
      });
      for (const { request, member } of accepted) request.resolve({ member, key });
    } catch (error) {
      for (const { request } of accepted) request.reject(error);
    }
  }

  /** Refuses those who are gone already, and a second request for the same member. */
  #accept(batch: readonly Request[]): Accepted[] {
    const accepted = new Map<MemberName, Accepted>();
    for (const request of batch) {
      try {
        if (accepted.has(request.name)) this.#waiting.push(request);
        else accepted.set(request.name, { request, member: this.#plan(request) });
      } catch (error) {
        request.reject(error);
      }
    }
    return [...accepted.values()];
  }

  #plan({ name, state }: Request): MemberRecord {
    return planDeparture(this.#state.requireMember(name), state, this.#clock.nowMs());
  }

  async #commit(accepted: readonly Accepted[]): Promise<StoredGroupKey> {
    if (accepted.length === 0) return this.#state.key;
    const { roll, subset } = this.#state;
    const bans = accepted
      .filter(({ member }) => member.state === 'banned')
      .map(({ request, member }) => this.#ban(request, member));
    const puts: Operation[] = [
      ...accepted.map(({ member }) => ({
        put: memberKey(subset, member.name),
        value: encodeRecord(member),
      })),
      ...bans.map((ban) => ({ put: banKey(subset, ban.identityKey), value: encodeRecord(ban) })),
    ];
    const notes = accepted.map(({ request }) => ({
      action: auditActions[request.state],
      actor: request.actor,
      subject: request.name,
    }));
    return this.#write(puts, notes, () => {
      for (const ban of bans) roll.putBan(ban);
      for (const { request, member } of accepted) this.#end(member, request.state);
    });
  }

  #end(member: MemberRecord, reason: DepartureState): void {
    this.#state.roll.putMember(member);
    this.#state.events.ended(member, reason);
  }

  #ban({ actor }: Request, member: MemberRecord): BanRecord {
    return {
      version: 1,
      identityKey: member.identityKey,
      member: member.name,
      bannedAtMs: this.#clock.nowMs(),
      by: actor,
    };
  }

  /**
   * One at a time, because each rotation follows from the key that the one before made.
   * @param onDurable runs before anybody is told of the new key: who is out must not hear it
   */
  #write(
    puts: readonly Operation[],
    audit: readonly AuditNote[],
    onDurable: () => void,
  ): Promise<StoredGroupKey> {
    return this.#rotations.run('rotation', () => {
      const { keys, key: current } = this.#state;
      const rotation = keys.planRotation(current, this.#clock.nowMs());
      return this.#replace(rotation, puts, audit, onDurable);
    });
  }

  async #replace(
    rotation: RotationPlan,
    puts: readonly Operation[],
    audit: readonly AuditNote[],
    onDurable: () => void,
  ): Promise<StoredGroupKey> {
    const revision = await this.#state.commit(
      { if: rotation.if, then: [...puts, ...rotation.then], audit },
      rotation.next.epoch,
    );
    onDurable();
    const key = { ...rotation.next, revision };
    this.#state.replaceKey(key);
    this.#state.events.rollChanged(this.#state.subset);
    return key;
  }
}
