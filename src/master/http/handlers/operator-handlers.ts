import type { OperatorView } from '../../../api/operator-endpoints.ts';
import type { MasterName, OperatorName } from '../../../model/names.ts';
import { decodeRecord, encodeRecord } from '../../../model/records/codec.ts';
import { type OperatorRecord, operatorRecordSchema } from '../../../model/records/directory.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { operatorKey } from '../../../store/keys.ts';
import type { Store } from '../../../store/store.ts';
import type { Directory } from '../../directory/directory.ts';
import { MasterError } from '../../master-error.ts';
import { putVpnAudit } from './vpn-audit.ts';

export interface OperatorHandlersDependencies {
  readonly master: MasterName;
  readonly directory: Directory;
  /** The directory's. */
  readonly store: Store;
  readonly clock: Clock;
}

const lookEveryMs = 20;

/** Who may give orders, and who may no more. */
export class OperatorHandlers {
  readonly #dependencies: OperatorHandlersDependencies;

  constructor(dependencies: OperatorHandlersDependencies) {
    this.#dependencies = dependencies;
  }

  list(): readonly OperatorView[] {
    const { operators } = this.#dependencies.directory;
    return [...operators.values()]
      .map(({ record }) => viewOf(record))
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /**
   * Resolves when this master refuses the operator; the others do as soon as they hear of it. Done
   * again, it changes nothing.
   * @throws MasterError `no-such-operator`; `conflict` when others keep changing the record; StoreError
   */
  async revoke(name: OperatorName, by: string, signal: AbortSignal): Promise<OperatorView> {
    const { master, directory, clock, store } = this.#dependencies;
    const key = operatorKey(name);
    const entry = await store.get(key, signal);
    if (!entry) throw this.#unknown(name);
    const before = decodeRecord(operatorRecordSchema, key, entry.value);
    if (before.revoked) return viewOf(before);
    const atMs = clock.nowMs();
    const record = { ...before, revoked: { atMs, by } };
    const { succeeded } = await store.transact(
      {
        if: [{ key, modRevision: entry.modRevision }],
        then: [
          { put: key, value: encodeRecord(record) },
          putVpnAudit({ action: 'operator-revoked', actor: by, atMs, master, subject: name }),
        ],
      },
      signal,
    );
    if (!succeeded) throw changedMeanwhile(name);
    while (!directory.operators.get(name)?.record.revoked) await clock.sleep(lookEveryMs, signal);
    return viewOf(record);
  }

  #unknown(name: OperatorName): MasterError {
    const known = [...this.#dependencies.directory.operators.keys()].sort().join(', ') || 'none';
    return new MasterError(`there is no operator ${name}; the VPN has: ${known}`, {
      code: 'no-such-operator',
      fields: { name },
    });
  }
}

function changedMeanwhile(name: OperatorName): MasterError {
  return new MasterError(`operator ${name} was changed by somebody else: ask again`, {
    code: 'conflict',
    fields: { name },
    retryable: true,
  });
}

function viewOf({ version: _, ...view }: OperatorRecord): OperatorView {
  return view;
}
