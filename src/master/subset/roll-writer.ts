import { randomUUID } from 'node:crypto';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { AuditAction, AuditRecord } from '../../model/records/audit.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { Epoch } from '../../model/wireguard-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import { auditKey } from '../../store/keys.ts';
import type {
  Comparison,
  Operation,
  Store,
  Transaction,
  TransactionResult,
} from '../../store/store.ts';
import { StoreError } from '../../store/store-error.ts';
import { changedMeanwhile, type MasterError, noLongerActing } from '../master-error.ts';

/** Far beyond what a commit takes; a store that is silent for so long is away. */
const commitTimeoutMs = 5_000;

/** One membership change, as the audit log will have it. */
export interface AuditNote {
  readonly action: AuditAction;
  /** `operator:NAME`, `member:NAME` or `master:NAME`. */
  readonly actor: string;
  readonly subject: string;
}

export interface RollChange {
  readonly if?: readonly Comparison[];
  readonly then: readonly Operation[];
  readonly audit: readonly AuditNote[];
  /** The subset's epoch after the change. */
  readonly epoch: Epoch;
}

export interface RollWriterOptions {
  readonly subset: SubsetName;
  readonly master: MasterName;
  readonly fence: Comparison;
}

export interface RollWriterDependencies {
  readonly store: Store;
  readonly clock: Clock;
  /** Hears of each entry once it is durable. */
  readonly onAudit: (entry: AuditRecord) => void;
}

/** The only way to change a roll: fenced by the lease, with the audit entries in the same transaction. */
export class RollWriter {
  readonly #options: RollWriterOptions;
  readonly #dependencies: RollWriterDependencies;

  constructor(options: RollWriterOptions, dependencies: RollWriterDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /**
   * @returns the revision of the change, which is durable now
   * @throws MasterError `not-acting` when another master holds the lease or the fence was renewed, `conflict` when
   *   another comparison failed
   * @throws StoreError `unavailable` when the outcome is unknown
   */
  async commit(change: RollChange): Promise<number> {
    const { subset, fence } = this.#options;
    const entries = change.audit.map((note) => this.#auditEntry(note, change.epoch));
    const result = await this.#transact({
      if: [fence, ...(change.if ?? [])],
      then: [
        ...change.then,
        ...entries.map((entry) => ({
          put: auditKey(subset, entry.atMs, randomUUID().slice(0, 8)),
          value: encodeRecord(entry),
        })),
      ],
    });
    if (!result.succeeded) throw this.#explain(result.failed);
    for (const entry of entries) this.#dependencies.onAudit(entry);
    return result.revision;
  }

  async #transact(transaction: Transaction): Promise<TransactionResult> {
    using deadline = new Deadline(commitTimeoutMs);
    try {
      return await this.#dependencies.store.transact(transaction, deadline.signal);
    } catch (cause) {
      if (!deadline.signal.aborted) throw cause;
      throw new StoreError(
        `the store did not answer within ${commitTimeoutMs / 1_000} s: whether the change was made is not known`,
        { code: 'unavailable', fields: { operation: 'transact' }, retryable: true, cause },
      );
    }
  }

  #auditEntry(note: AuditNote, epoch: Epoch): AuditRecord {
    const { subset, master } = this.#options;
    return { version: 1, atMs: this.#dependencies.clock.nowMs(), ...note, master, subset, epoch };
  }

  #explain(failed: Comparison): MasterError {
    const { subset, fence } = this.#options;
    return failed.key === fence.key ? noLongerActing(subset) : changedMeanwhile(failed.key);
  }
}
