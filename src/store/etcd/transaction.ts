import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Comparison, LeaseId, Operation, Transaction, TransactionResult } from '../store.ts';
import type { KeySpace } from './key-space.ts';
import { parseLeaseId } from './lease-id.ts';
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  type CompareSchema,
  type RequestOpSchema,
  type TxnRequestSchema,
  type TxnResponse,
} from './proto/rpc_pb.ts';

/**
 * etcd does not say which comparison has failed, so a transaction that fails reads what was compared,
 * in the same instant.
 * @throws StoreError `lease-ended` for a lease that etcd cannot have granted
 */
export function txnRequestFrom(
  transaction: Transaction,
  keys: KeySpace,
): MessageInitShape<typeof TxnRequestSchema> {
  const operations = transaction.then.map((operation) => operationFrom(operation, keys));
  return {
    compare: transaction.if.map((comparison) => compareFrom(comparison, keys)),
    // Without any request, etcd would answer out of what one member knows, which may be old.
    success: operations.length > 0 ? operations : [readRevisions(anyKey(transaction), keys)],
    failure: keysCompared(transaction).map((key) => readRevisions(key, keys)),
  };
}

export function resultFrom(
  answer: TxnResponse,
  transaction: Transaction,
  keys: KeySpace,
): TransactionResult {
  const revision = Number(answer.header?.revision ?? 0n);
  if (answer.succeeded) return { succeeded: true, revision };
  const found = revisionsIn(answer, keys);
  const failed = transaction.if.find((comparison) => !holds(comparison, found));
  if (!failed) throw new TypeError('etcd has refused a transaction though every comparison holds');
  return { succeeded: false, revision, failed };
}

export function leasesOf(transaction: Transaction): readonly LeaseId[] {
  return [
    ...new Set(
      transaction.then.flatMap((operation) =>
        'put' in operation && operation.lease !== undefined ? [operation.lease] : [],
      ),
    ),
  ];
}

interface Revisions {
  readonly createRevision: number;
  readonly modRevision: number;
}

function keysCompared(transaction: Transaction): readonly string[] {
  return [...new Set(transaction.if.map(({ key }) => key))];
}

function anyKey(transaction: Transaction): string {
  return transaction.if[0]?.key ?? '';
}

function compareFrom(
  comparison: Comparison,
  keys: KeySpace,
): MessageInitShape<typeof CompareSchema> {
  const { key } = comparison;
  const [target, targetUnion] =
    'modRevision' in comparison
      ? ([
          Compare_CompareTarget.MOD,
          { case: 'modRevision', value: BigInt(comparison.modRevision) },
        ] as const)
      : ([
          Compare_CompareTarget.CREATE,
          { case: 'createRevision', value: BigInt(comparison.createRevision) },
        ] as const);
  return { result: Compare_CompareResult.EQUAL, target, key: keys.toBytes(key), targetUnion };
}

function operationFrom(
  operation: Operation,
  keys: KeySpace,
): MessageInitShape<typeof RequestOpSchema> {
  if ('delete' in operation)
    return {
      request: { case: 'requestDeleteRange', value: { key: keys.toBytes(operation.delete) } },
    };
  const lease = operation.lease === undefined ? 0n : parseLeaseId(operation.lease);
  const value = { key: keys.toBytes(operation.put), value: operation.value, lease };
  return { request: { case: 'requestPut', value } };
}

function readRevisions(key: string, keys: KeySpace): MessageInitShape<typeof RequestOpSchema> {
  return { request: { case: 'requestRange', value: { key: keys.toBytes(key), keysOnly: true } } };
}

function revisionsIn(answer: TxnResponse, keys: KeySpace): ReadonlyMap<string, Revisions> {
  const found = answer.responses.flatMap(({ response }) =>
    response.case === 'responseRange' ? response.value.kvs : [],
  );
  return new Map(
    found.map(({ key, createRevision, modRevision }) => [
      keys.toKey(key),
      { createRevision: Number(createRevision), modRevision: Number(modRevision) },
    ]),
  );
}

function holds(comparison: Comparison, found: ReadonlyMap<string, Revisions>): boolean {
  const { createRevision = 0, modRevision = 0 } = found.get(comparison.key) ?? {};
  return 'modRevision' in comparison
    ? comparison.modRevision === modRevision
    : comparison.createRevision === createRevision;
}
