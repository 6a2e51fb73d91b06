import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  encodeProbe,
  isLater,
  maxStraysPerMessage,
  type ProbeMessage,
  parseProbe,
} from './probe-message.ts';

const sequences = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const messages: fc.Arbitrary<ProbeMessage> = fc.oneof(
  fc
    .tuple(sequences, fc.boolean(), fc.boolean())
    .map(([sequence, using, hearsYou]) => ({ kind: 'ask' as const, sequence, using, hearsYou })),
  sequences.map((sequence) => ({ kind: 'answer' as const, sequence })),
  fc
    .array(fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), sequences), {
      maxLength: maxStraysPerMessage,
    })
    .map((all) => all.map(([interfaceId, sequence]) => ({ interfaceId, sequence })))
    .map((strays) => ({ kind: 'strays' as const, strays })),
);
const bytesOf = (message: ProbeMessage): Buffer => Buffer.from(encodeProbe(message));

test('what is encoded is parsed as it was', () => {
  fc.assert(
    fc.property(messages, (message) => assert.deepEqual(parseProbe(bytesOf(message)), message)),
  );
});

test('whatever is parsed is exactly what would be encoded', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 1_000 }),
    fc.tuple(messages, fc.nat(), fc.nat(255)).map(([message, at, byte]) => {
      const bytes = bytesOf(message);
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(noise, (bytes) => {
      const message = parseProbe(Buffer.from(bytes));
      if (message) assert.deepEqual(bytesOf(message), Buffer.from(bytes));
    }),
    { numRuns: 2_000 },
  );
});

test('a message that is cut short or too long is none', () => {
  fc.assert(
    fc.property(messages, fc.nat(), (message, at) => {
      const bytes = bytesOf(message);
      const cut = parseProbe(bytes.subarray(0, at % bytes.length));
      assert.ok(cut === undefined || cut.kind === 'strays');
      assert.equal(parseProbe(Buffer.concat([bytes, Buffer.of(0)])), undefined);
    }),
  );
});

test('a message of another version is none', () => {
  const bytes = bytesOf({ kind: 'answer', sequence: 7 });
  bytes[1] = 2;
  assert.equal(parseProbe(bytes), undefined);
});

test('no message is longer than what every network carries, and more strays than that are refused', () => {
  const strays = Array.from({ length: maxStraysPerMessage }, (_, at) => ({
    interfaceId: BigInt(at),
    sequence: at,
  }));
  assert.ok(encodeProbe({ kind: 'strays', strays }).length <= 1_232);
  const more = [...strays, { interfaceId: 1n, sequence: 1 }];
  assert.throws(() => encodeProbe({ kind: 'strays', strays: more }), RangeError);
});

test('of two sequence numbers one is later, also across the end of all numbers', () => {
  const last = 2 ** 32 - 1;
  fc.assert(
    fc.property(sequences, fc.integer({ min: 1, max: 2 ** 31 - 1 }), (sequence, step) => {
      const next = (sequence + step) % 2 ** 32;
      assert.deepEqual([isLater(next, sequence), isLater(sequence, next)], [true, false]);
      assert.equal(isLater(sequence, sequence), false);
    }),
  );
  assert.ok(isLater(0, last));
});
