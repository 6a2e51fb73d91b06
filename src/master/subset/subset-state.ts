import type { EndReason } from '../../api/messages.ts';
import { describeSuspension } from '../../core/admission.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import type { AuditRecord } from '../../model/records/audit.ts';
import type { Lifetimes, SubsetRecord } from '../../model/records/directory.ts';
import { isInRoll, type MemberRecord } from '../../model/records/roll.ts';
import { KeyedQueue } from '../../runtime/keyed-queue.ts';
import type { GroupKeyStore, StoredGroupKey } from '../group-key-store.ts';
import { MasterError } from '../master-error.ts';
import type { Roll } from './roll.ts';
import type { RollChange, RollWriter } from './roll-writer.ts';
import type { ServedSubset } from './served-subset.ts';

/** What the rest of the master hears of a subset that it acts for. Each is called after the change is durable. */
export interface SubsetEvents {
  /** Members came or went: the gateway has to follow. */
  rollChanged(subset: SubsetName): void;
  keyChanged(served: ServedSubset): void;
  /** The member is to hear of its order. */
  moveOrdered(member: MemberRecord): void;
  /** The member is out; its session has to end. */
  ended(member: MemberRecord, reason: EndReason): void;
  audited(entry: AuditRecord): void;
}

export interface SubsetStateOptions {
  readonly subset: SubsetName;
  readonly roll: Roll;
  readonly key: StoredGroupKey;
  readonly lifetimes: Lifetimes;
  /** The subset's record as the directory has it now. */
  readonly record: () => SubsetRecord;
}

export interface SubsetStateDependencies {
  readonly writer: RollWriter;
  readonly keys: GroupKeyStore;
  readonly events: SubsetEvents;
  /** Called when memory may no longer agree with the store: the roll has to be read anew. */
  readonly onDistrust: (error: unknown) => void;
}

/**
 * What one acting master holds of one subset: its roll and its key, as the store has acknowledged
 * them. Admissions, departures, renewals and invites are operations on it.
 */
export class SubsetState implements ServedSubset {
  readonly subset: SubsetName;
  readonly roll: Roll;
  readonly lifetimes: Lifetimes;
  readonly keys: GroupKeyStore;
  readonly events: SubsetEvents;
  /** Operations on one member follow one another; see `KeyedQueue`. */
  readonly inFlight = new KeyedQueue<MemberName>();
  readonly #record: () => SubsetRecord;
  readonly #writer: RollWriter;
  readonly #onDistrust: (error: unknown) => void;
  #key: StoredGroupKey;
  #isTrusted = true;
  #isClosed = false;
  readonly #inFlightCommits = new Set<Promise<number>>();

  constructor(options: SubsetStateOptions, dependencies: SubsetStateDependencies) {
    this.subset = options.subset;
    this.roll = options.roll;
    this.lifetimes = options.lifetimes;
    this.#record = options.record;
    this.#key = options.key;
    this.keys = dependencies.keys;
    this.events = dependencies.events;
    this.#writer = dependencies.writer;
    this.#onDistrust = dependencies.onDistrust;
  }

  get key(): StoredGroupKey {
    return this.#key;
  }

  get record(): SubsetRecord {
    return this.#record();
  }

  /** The key once its record is durable. Nobody is told of it by a state that is given up: the roll that is read anew tells. */
  replaceKey(key: StoredGroupKey): void {
    if (!this.#isTrusted) return;
    this.#key = key;
    this.events.keyChanged(this);
  }

  /**
   * Writes a change of the roll at the present epoch. After a failure nothing more is written: what
   * is decided on this memory could give away what the store has given to somebody already.
   * @throws as `RollWriter.commit` does
   */
  async commit(change: Omit<RollChange, 'epoch'>, epoch = this.#key.epoch): Promise<number> {
    if (this.#isClosed) throw this.#handedOver();
    if (!this.#isTrusted) throw this.#beingReadAnew();
    const commit = this.#writer.commit({ ...change, epoch });
    this.#inFlightCommits.add(commit);
    try {
      return await commit;
    } catch (error) {
      // The only writer was contradicted, or does not know what became of its write.
      this.#isTrusted = false;
      this.#onDistrust(error);
      throw error;
    } finally {
      this.#inFlightCommits.delete(commit);
    }
  }

  /**
   * Refuses every change from now on. Resolves when those that were under way have been answered.
   * @throws MasterError `not-acting` when it was closed before
   */
  async close(): Promise<void> {
    if (this.#isClosed) throw this.#handedOver();
    this.#isClosed = true;
    await Promise.allSettled(this.#inFlightCommits);
  }

  #handedOver(): MasterError {
    return new MasterError(`${this.subset} is being handed over to another master: ask again`, {
      code: 'not-acting',
      fields: { subset: this.subset },
      retryable: true,
    });
  }

  #beingReadAnew(): MasterError {
    return new MasterError(`the roll of ${this.subset} is being read anew: ask again`, {
      code: 'not-acting',
      fields: { subset: this.subset },
      retryable: true,
    });
  }

  /** @throws MasterError `no-such-member`, `not-active`, `suspended` */
  requireActive(name: MemberName): MemberRecord {
    const member = this.requireMember(name);
    if (member.state === 'active') return member;
    throw new MasterError(describeSuspension(member), {
      code: 'suspended',
      fields: { member: name, subset: this.subset },
      retryable: true,
    });
  }

  /** Active or suspended. @throws MasterError `no-such-member`, `not-active` */
  requireMember(name: MemberName): MemberRecord {
    const member = this.roll.findByName(name);
    if (member && isInRoll(member)) return member;
    if (!member) throw noSuchMember(name, this.subset);
    throw new MasterError(`${name} is not in ${this.subset} any more: it ${describeEnd(member)}`, {
      code: 'not-active',
      fields: { member: name, subset: this.subset, state: member.state },
    });
  }
}

export function noSuchMember(member: MemberName, subset: SubsetName): MasterError {
  return new MasterError(
    `there is no member ${member} in ${subset}: "hanse member list --subset ${subset}" shows them`,
    { code: 'no-such-member', fields: { member, subset } },
  );
}

function describeEnd({ name, state, movedTo, endedAtMs }: MemberRecord): string {
  const how = state === 'left' ? 'left' : `was ${state}`;
  const where = movedTo ? `, and is ${name}.${movedTo.subset} now` : '';
  return `${how} at ${isoTime(endedAtMs)}${where}`;
}

function isoTime(atMs: number | undefined): string {
  return atMs === undefined ? 'an unknown time' : new Date(atMs).toISOString();
}
