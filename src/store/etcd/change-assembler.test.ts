import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { ChangeAssembler } from './change-assembler.ts';
import { KeySpace } from './key-space.ts';
import { Event_EventType } from './proto/kv_pb.ts';
import { type WatchResponse, WatchResponseSchema } from './proto/rpc_pb.ts';
import { keyOf, revisionOf } from './records.ts';

const keys = new KeySpace('vpn/');

interface Written {
  readonly key: string;
  readonly revision: number;
}

function response(
  written: readonly Written[],
  rest: { readonly fragment?: boolean } = {},
): WatchResponse {
  const events = written.map(({ key, revision }) => ({
    type: Event_EventType.DELETE,
    kv: { key: keys.toBytes(key), modRevision: BigInt(revision) },
  }));
  return create(WatchResponseSchema, { events, ...rest });
}

test('however etcd splits its responses, revisions come whole, in order, each once', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 8 });
  const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(sizes, cuts, (revisionSizes, fragmentSizes) => {
      const written = revisionSizes.flatMap((size, index) =>
        Array.from({ length: size }, (_, number) => ({ key: `${number}`, revision: 10 + index })),
      );
      const assembler = new ChangeAssembler(9, keys);
      const seen: Written[] = [];
      for (let start = 0, turn = 0; start < written.length; turn += 1) {
        const end = start + (fragmentSizes[turn % fragmentSizes.length] ?? 1);
        const fragment = end < written.length;
        const batch = assembler.add(response(written.slice(start, end), { fragment }));
        const delivered = batch.changes.map((change) => ({
          key: keyOf(change),
          revision: revisionOf(change),
        }));
        seen.push(...delivered);
        const complete = written.filter(({ revision }) => revision <= batch.revision);
        assert.deepEqual(seen, complete, 'a revision was split');
        start = end;
      }
      assert.deepEqual(seen, written);
    }),
  );
});

test('what has been delivered before is dropped', () => {
  const assembler = new ChangeAssembler(10, keys);
  const written = [9, 10, 11].map((revision) => ({ key: 'key', revision }));
  assert.deepEqual(assembler.add(response(written)).changes.map(revisionOf), [11]);
  assert.deepEqual(assembler.add(response(written)).changes, []);
});

test('progress moves on and never back', () => {
  const assembler = new ChangeAssembler(10, keys);
  const progress = (revision: bigint) => create(WatchResponseSchema, { header: { revision } });
  assert.deepEqual(assembler.add(progress(20n)), { revision: 20, changes: [] });
  assert.deepEqual(assembler.add(progress(15n)), { revision: 20, changes: [] });
});
