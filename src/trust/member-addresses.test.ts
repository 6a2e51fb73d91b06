import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from '../model/error.ts';
import { addressFromBytes, type Prefix, parseAddress, parsePrefix } from '../model/prefix.ts';
import { contextTag, derTag, encodeDer } from './der.ts';
import {
  decodeMemberAddresses,
  decodeSubsetBlocks,
  encodeMemberAddresses,
  encodeSubsetBlocks,
} from './member-addresses.ts';
import { TrustError } from './trust-error.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const plain = { noNullPrototype: true };
const addresses = fc.record(
  { ipv4: bytes(4).map(addressFromBytes), ipv6: bytes(16).map(addressFromBytes) },
  plain,
);

/** Disjoint, since each is a /16 of its own or a part of it; and in no order. */
const ipv4Block = (number: number, length: number): Prefix => {
  const first = Buffer.from([number >> 8, number & 0xff, 0, 0]);
  return `${addressFromBytes(first)}/${length}` as Prefix;
};
const ipv4Blocks = fc
  .uniqueArray(fc.tuple(fc.nat(0xffff), fc.integer({ min: 16, max: 30 })), {
    ...{ minLength: 1, maxLength: 64 },
    selector: ([number]) => number,
  })
  .map((all) => all.map(([number, length]) => ipv4Block(number, length)));
const ipv6Block = bytes(8).map(
  (first) => `${addressFromBytes(Buffer.concat([first, Buffer.alloc(8)]))}/64` as Prefix,
);
const blocks = fc.record({ ipv6Block, ipv4Blocks }, plain);

/** At most three bytes are changed, and at most one is cut off or added. */
const edits = fc.record({
  bytes: fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 3 }),
  grow: fc.integer({ min: -1, max: 1 }),
});

function edited(der: Uint8Array, { bytes, grow }: { bytes: [number, number][]; grow: number }) {
  const changed = Buffer.concat([der, Buffer.alloc(1)]).subarray(0, der.length + grow);
  for (const [offset, value] of bytes) changed[offset % changed.length] = value;
  return changed;
}

/** Whatever is decoded must be what the encoder writes, byte for byte. */
function assertOneForm<Value>(
  der: Uint8Array,
  { decode, encode }: { decode: (der: Uint8Array) => Value; encode: (value: Value) => Uint8Array },
): void {
  let decoded: Value;
  try {
    decoded = decode(der);
  } catch (error) {
    assert.ok(error instanceof TrustError, String(error));
    assert.equal(error.code, 'malformed');
    return;
  }
  assert.deepEqual(Buffer.from(encode(decoded)), Buffer.from(der));
}

const ofMember = { decode: decodeMemberAddresses, encode: encodeMemberAddresses };
const ofSubset = { decode: decodeSubsetBlocks, encode: encodeSubsetBlocks };

test('any addresses, and any blocks in their order, come back as they went in', () => {
  fc.assert(
    fc.property(addresses, (pair) => {
      assert.deepEqual(decodeMemberAddresses(encodeMemberAddresses(pair)), pair);
    }),
  );
  fc.assert(
    fc.property(blocks, (some) => {
      assert.deepEqual(decodeSubsetBlocks(encodeSubsetBlocks(some)), some);
    }),
  );
});

test('what is decoded encodes to the same bytes: nothing has two forms', () => {
  fc.assert(
    fc.property(addresses, edits, (pair, edit) => {
      assertOneForm(edited(encodeMemberAddresses(pair), edit), ofMember);
    }),
    { numRuns: 1_000 },
  );
  fc.assert(
    fc.property(blocks, edits, (some, edit) => {
      assertOneForm(edited(encodeSubsetBlocks(some), edit), ofSubset);
    }),
    { numRuns: 1_000 },
  );
});

test('no bytes at all make a decoder fail in another way', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (der) => {
      assertOneForm(der, ofMember);
      assertOneForm(der, ofSubset);
    }),
    { numRuns: 1_000 },
  );
});

const octets = (...content: number[]) => encodeDer(derTag.octetString, Uint8Array.from(content));
const ipv4 = octets(100, 64, 0, 2);
const ipv6 = octets(...Buffer.from('fd000001000200010000000000000002', 'hex'));
const half = octets(...Buffer.from('fd00000100020001', 'hex'));
const sequence = (...parts: readonly Uint8Array[]) => encodeDer(derTag.sequence, ...parts);

test('a member has one address of each kind, IPv4 first, in a plain sequence', () => {
  assert.equal(decodeMemberAddresses(sequence(ipv4, ipv6)).ipv6, 'fd00:1:2:1::2');
  for (const wrong of [
    sequence(),
    sequence(ipv4),
    sequence(ipv6),
    sequence(ipv6, ipv4),
    sequence(ipv4, ipv6, ipv4),
    sequence(ipv4, encodeDer(derTag.bitString, ipv6.subarray(2))),
    Buffer.concat([sequence(ipv4, ipv6), sequence()]),
    encodeDer(contextTag(0, 'constructed'), ipv4, ipv6),
  ]) {
    assert.throws(() => decodeMemberAddresses(wrong), { code: 'malformed' });
  }
});

test('a subset has a /64 and IPv4 blocks that are whole, of a usual size and disjoint', () => {
  const first = octets(100, 64, 0, 0, 21);
  const { ipv4Blocks } = decodeSubsetBlocks(
    sequence(half, sequence(first, octets(100, 64, 8, 0, 21))),
  );
  assert.deepEqual(ipv4Blocks, ['100.64.0.0/21', '100.64.8.0/21']);
  for (const wrong of [
    sequence(half, sequence()),
    sequence(half, first),
    sequence(half),
    sequence(ipv6, sequence(first)),
    sequence(half, sequence(first), sequence(first)),
    sequence(half, sequence(octets(100, 64, 0, 1, 21))),
    sequence(half, sequence(octets(100, 64, 0, 0, 31))),
    sequence(half, sequence(octets(0, 0, 0, 0, 7))),
    sequence(half, sequence(octets(100, 64, 0, 0, 200))),
    sequence(half, sequence(first, first)),
    sequence(half, sequence(first, octets(100, 64, 4, 0, 24))),
    sequence(half, sequence(...Array.from({ length: 65 }, (_, net) => octets(10, net, 0, 0, 24)))),
  ]) {
    assert.throws(() => decodeSubsetBlocks(wrong), { code: 'malformed' });
  }
});

test('what could not be read is not written', () => {
  const [four, six] = [parseAddress('100.64.0.2'), parseAddress('fd00:1:2:1::2')];
  assert.throws(() => encodeMemberAddresses({ ipv4: six, ipv6: six }), InvalidInputError);
  assert.throws(() => encodeMemberAddresses({ ipv4: four, ipv6: four }), InvalidInputError);
  const own = parsePrefix('fd00:1:2:1::/64');
  for (const [ipv6Block, ...texts] of [
    [own],
    [parsePrefix('fd00:1:2::/48'), '100.64.0.0/21'],
    [parsePrefix('100.64.0.0/21'), '100.64.0.0/21'],
    [own, 'fd00:1:2:2::/64'],
    [own, '100.64.0.0/21', '100.64.0.0/24'],
    [own, '100.64.0.0/31'],
  ] as const) {
    const ipv4Blocks = texts.map(parsePrefix);
    assert.throws(() => encodeSubsetBlocks({ ipv6Block, ipv4Blocks }), InvalidInputError);
  }
});
