import type { OperatorName } from '../model/names.ts';
import { decodeRecord, encodeRecord } from '../model/records/codec.ts';
import { type OperatorRecord, operatorRecordSchema } from '../model/records/directory.ts';
import { operatorKey } from '../store/keys.ts';
import type { Store } from '../store/store.ts';
import { ProvisionError } from './provision-error.ts';

/** Undefined when the directory has none. @throws InvalidInputError when it is damaged; StoreError */
export async function readOperatorRecord(
  name: OperatorName,
  store: Store,
): Promise<{ readonly record: OperatorRecord; readonly revision: number } | undefined> {
  const entry = await store.get(operatorKey(name));
  if (!entry) return undefined;
  const record = decodeRecord(operatorRecordSchema, entry.key, entry.value);
  return { record, revision: entry.modRevision };
}

/**
 * @param revision of the record that it takes the place of; 0 for none
 * @throws ProvisionError `conflict` when it was changed since; StoreError
 */
export async function putOperatorRecord(
  record: OperatorRecord,
  revision: number,
  store: Store,
): Promise<void> {
  const key = operatorKey(record.name);
  const { succeeded } = await store.transact({
    if: [{ key, modRevision: revision }],
    then: [{ put: key, value: encodeRecord(record) }],
  });
  if (succeeded) return;
  throw new ProvisionError(
    `operator ${record.name} was changed by somebody else at the same time: try again`,
    { code: 'conflict', fields: { name: record.name }, retryable: true },
  );
}
