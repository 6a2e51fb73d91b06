import { createHash } from 'node:crypto';
import type { StoredPolicy } from '../../../api/placement-endpoints.ts';
import { placementPolicySchema } from '../../../core/placement/policy.ts';
import type { MasterName } from '../../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../../model/records/codec.ts';
import {
  type PlacementPolicyRecord,
  placementPolicyRecordSchema,
} from '../../../model/records/directory.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { readConfig } from '../../../runtime/config-text.ts';
import type { Log } from '../../../runtime/log.ts';
import { placementPolicyKey } from '../../../store/keys.ts';
import type { Operation, Store } from '../../../store/store.ts';
import type { Directory } from '../../directory/directory.ts';
import { MasterError } from '../../master-error.ts';
import { putVpnAudit, type VpnAuditEntry } from './vpn-audit.ts';

export interface PlacementPolicyHandlersDependencies {
  readonly master: MasterName;
  readonly directory: Pick<Directory, 'revision'>;
  /** The directory's. */
  readonly store: Pick<Store, 'get' | 'transact'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A change, by somebody who has seen the policy at a revision; 0 for none. */
export interface PolicyChange {
  readonly ifRevision: number;
  readonly by: string;
}

const lookEveryMs = 20;

/** The policy by which members are placed, as operators read and change it. */
export class PlacementPolicyHandlers {
  readonly #dependencies: PlacementPolicyHandlersDependencies;

  constructor(dependencies: PlacementPolicyHandlersDependencies) {
    this.#dependencies = dependencies;
  }

  /** As the store has it, also where it is none that this master can use. */
  async show(signal: AbortSignal): Promise<StoredPolicy> {
    const stored = await this.#read(signal);
    if (!stored) return { revision: 0 };
    const { version: _version, written: _written, ...policy } = stored.record;
    return { revision: stored.revision, policy };
  }

  /**
   * Resolves when this master goes by it; the others do as soon as they hear of it. What is stored
   * already is not stored again, so that a request can be repeated.
   * @throws InvalidInputError when it is no policy, with line and column; MasterError `conflict`; StoreError
   */
  async set(
    text: string,
    { ifRevision, by }: PolicyChange,
    signal: AbortSignal,
  ): Promise<{ readonly revision: number }> {
    const { written } = readConfig(text, 'policy', placementPolicySchema);
    const stored = await this.#read(signal);
    if (stored?.record.text === text) return { revision: stored.revision };
    requireSeen(ifRevision, stored);
    const atMs = this.#dependencies.clock.nowMs();
    const change = { changedAtMs: atMs, changedBy: by };
    const record: PlacementPolicyRecord = { version: 1, text, written, ...change };
    const put = { put: placementPolicyKey, value: encodeRecord(record) };
    const audit = { action: 'placement-policy-set', actor: by, atMs, text } as const;
    return { revision: await this.#change(ifRevision, [put, this.#audit(audit)], signal) };
  }

  /** As `set`, for none. @throws MasterError `conflict`; StoreError */
  async remove({ ifRevision, by }: PolicyChange, signal: AbortSignal): Promise<void> {
    const stored = await this.#read(signal);
    if (!stored) return;
    requireSeen(ifRevision, stored);
    const { text } = stored.record;
    const atMs = this.#dependencies.clock.nowMs();
    const audit = { action: 'placement-policy-removed', actor: by, atMs, text } as const;
    await this.#change(ifRevision, [{ delete: placementPolicyKey }, this.#audit(audit)], signal);
  }

  async #read(
    signal: AbortSignal,
  ): Promise<{ readonly record: PlacementPolicyRecord; readonly revision: number } | undefined> {
    const entry = await this.#dependencies.store.get(placementPolicyKey, signal);
    return (
      entry && {
        record: decodeRecord(placementPolicyRecordSchema, entry.key, entry.value),
        revision: entry.modRevision,
      }
    );
  }

  #audit({
    text,
    ...change
  }: Pick<VpnAuditEntry, 'action' | 'actor' | 'atMs'> & { readonly text: string }): Operation {
    const subject = createHash('sha256').update(text).digest('hex');
    const { master } = this.#dependencies;
    return putVpnAudit({ ...change, master, subject });
  }

  /** @returns the revision that it is at then */
  async #change(
    ifRevision: number,
    operations: readonly Operation[],
    signal: AbortSignal,
  ): Promise<number> {
    const { store, directory, clock, log } = this.#dependencies;
    const unchanged = { key: placementPolicyKey, modRevision: ifRevision };
    const result = await store.transact({ if: [unchanged], then: operations }, signal);
    if (!result.succeeded) throw conflict(await this.#read(signal));
    log.info({ revision: result.revision }, 'the placement policy has changed');
    while (directory.revision < result.revision) await clock.sleep(lookEveryMs, signal);
    return result.revision;
  }
}

type Stored = { readonly record: PlacementPolicyRecord; readonly revision: number } | undefined;

function requireSeen(ifRevision: number, stored: Stored): void {
  if ((stored?.revision ?? 0) !== ifRevision) throw conflict(stored);
}

function conflict(stored: Stored): MasterError {
  const is = stored
    ? `it is at revision ${stored.revision}, by ${stored.record.changedBy}`
    : 'it has been removed';
  return new MasterError(`the placement policy is another than you have seen: ${is}`, {
    code: 'conflict',
    fields: { revision: stored?.revision ?? 0 },
  });
}
