import type { Change, Entry } from '../store.ts';
import type { KeySpace } from './key-space.ts';
import { formatLeaseId } from './lease-id.ts';
import { type Event, Event_EventType, type KeyValue } from './proto/kv_pb.ts';

export function entryFrom(found: KeyValue, keys: KeySpace): Entry {
  return {
    key: keys.toKey(found.key),
    // A copy: else a value that is kept would keep the whole answer that it came in.
    value: new Uint8Array(found.value),
    createRevision: Number(found.createRevision),
    modRevision: Number(found.modRevision),
    ...(found.lease === 0n ? {} : { lease: formatLeaseId(found.lease) }),
  };
}

export function changeFrom({ type, kv }: Event, keys: KeySpace): Change {
  if (!kv) throw new TypeError('etcd has sent a change without a key');
  if (type === Event_EventType.PUT) return { kind: 'put', entry: entryFrom(kv, keys) };
  return { kind: 'delete', key: keys.toKey(kv.key), revision: Number(kv.modRevision) };
}

export function revisionOf(change: Change): number {
  return change.kind === 'put' ? change.entry.modRevision : change.revision;
}

export function keyOf(change: Change): string {
  return change.kind === 'put' ? change.entry.key : change.key;
}
