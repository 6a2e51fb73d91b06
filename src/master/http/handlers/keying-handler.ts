import { explainRefusal, mastersToRenew } from '../../../core/unbound-masters.ts';
import type { MasterName } from '../../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../../model/records/codec.ts';
import {
  type KeyingPhase,
  type KeyingRecord,
  keyingRecordSchema,
} from '../../../model/records/directory.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Log } from '../../../runtime/log.ts';
import { keyingKey, sharedKeyKey } from '../../../store/keys.ts';
import type { Operation, Store } from '../../../store/store.ts';
import type { Directory } from '../../directory/directory.ts';
import type { BindingStanding } from '../../keying/unbound-masters.ts';
import { MasterError } from '../../master-error.ts';
import { putVpnAudit } from './vpn-audit.ts';

export interface KeyingHandlerDependencies {
  readonly master: MasterName;
  readonly directory: Directory;
  /** The directory's. */
  readonly store: Pick<Store, 'get' | 'transact'>;
  readonly clock: Clock;
  readonly log: Log;
  /** How far members of all subsets could prove their addresses. */
  readonly findUnbound: (signal: AbortSignal) => Promise<BindingStanding>;
}

const lookEveryMs = 20;

/**
 * Takes the VPN one step from one keying mode to the other. Resolves when this master works by it; the
 * others do as soon as they hear of it. Done again, it changes nothing.
 * @throws MasterError `refused` for two steps at once, and for a step towards one key while masters have to be
 *   renewed; `busy` when that cannot be known; `conflict` when somebody else changes it; StoreError
 */
export async function setKeying(
  phase: KeyingPhase,
  by: string,
  { master, directory, store, clock, log, findUnbound }: KeyingHandlerDependencies,
  signal: AbortSignal,
): Promise<KeyingPhase> {
  const entry = await store.get(keyingKey, signal);
  const before = entry
    ? decodeRecord(keyingRecordSchema, entry.key, entry.value).phase
    : directory.vpn.keying;
  let revision = entry?.modRevision ?? 0;
  if (before !== phase) {
    requireStep(before, phase);
    if (leadsToProof(before, phase)) requireBound(await findUnbound(signal), phase);
    const atMs = clock.nowMs();
    const record: KeyingRecord = { version: 1, phase, by, atMs };
    const puts: Operation[] = [
      { put: keyingKey, value: encodeRecord(record) },
      putVpnAudit({ action: 'keying-changed', actor: by, atMs, master, subject: phase }),
    ];
    // An old one says nothing about who has left since.
    if (before === 'per-subset') puts.push({ delete: sharedKeyKey });
    const unchanged = { key: keyingKey, modRevision: revision };
    const result = await store.transact({ if: [unchanged], then: puts }, signal);
    if (!result.succeeded) throw changedMeanwhile();
    revision = result.revision;
    log.info({ before, phase, by }, 'the keying of the VPN has changed');
  }
  // Not for the phase itself: somebody else may have gone on from it.
  while ((directory.keying?.revision ?? 0) < revision) await clock.sleep(lookEveryMs, signal);
  return phase;
}

/** Members that are at either of the two can talk to each other; those at `per-subset` and at `shared` cannot. */
function requireStep(before: KeyingPhase, phase: KeyingPhase): void {
  if (before === 'changing' || phase === 'changing') return;
  throw new MasterError(
    `from ${before} to ${phase} the way leads through "changing", until every member is there: \`hanse vpn keying ${phase}\` goes it`,
    { code: 'refused', fields: { reason: 'two-steps' } },
  );
}

/** Whether members have to prove their addresses at the end of this way. */
function leadsToProof(before: KeyingPhase, phase: KeyingPhase): boolean {
  return phase === 'shared' || before === 'per-subset';
}

/** Who gives no answer at the first step may be asked again before the last one. */
function requireBound({ unbound, unknown }: BindingStanding, phase: KeyingPhase): void {
  if (unbound.length > 0) {
    throw new MasterError(explainRefusal(unbound), {
      code: 'refused',
      fields: { reason: 'unbound-masters', masters: mastersToRenew(unbound) },
    });
  }
  if (unknown.length === 0 || phase !== 'shared') return;
  throw new MasterError(
    `in this mode members have to prove their addresses, and of ${unknown.join(', ')} it is not known whether they can, because no master that acts for them has told: try again when one does`,
    { code: 'busy', fields: { reason: 'unknown-binding', subsets: unknown }, retryable: true },
  );
}

function changedMeanwhile(): MasterError {
  return new MasterError('the keying was changed by somebody else: ask again', {
    code: 'conflict',
    fields: { key: keyingKey },
    retryable: true,
  });
}
