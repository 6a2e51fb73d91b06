import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvalidInputError } from './error.ts';
import {
  addressAt,
  addressSchema,
  familyOf,
  hostPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixBits,
  prefixesOverlap,
  prefixFrom,
  prefixSchema,
  prefixSize,
} from './prefix.ts';

const prefix: fc.Arbitrary<Prefix> = fc
  .record({
    family: fc.constantFrom(4 as const, 6 as const),
    bits: fc.bigInt(0n, 2n ** 128n - 1n),
    length: fc.nat(128),
  })
  .map(({ family, bits, length: wanted }) => {
    const width = family === 4 ? 32 : 128;
    const length = wanted % (width + 1);
    const host = BigInt(width - length);
    const first = ((bits & ((1n << BigInt(width)) - 1n)) >> host) << host;
    return prefixFrom({ family, first, length });
  });

function assertOnlyInvalidInput(parse: (text: string) => string, text: string): void {
  try {
    const parsed = parse(text);
    assert.equal(parse(parsed), parsed, 'canonical text is parsed to itself');
  } catch (error) {
    assert.ok(error instanceof InvalidInputError, `${text}: ${String(error)}`);
  }
}

const hostile = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc
    .tuple(fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6()), fc.oneof(fc.integer(), fc.string()))
    .map(([a, b]) => `${a}/${b}`),
);

test('text is a block or an address in one form, or refused as invalid input', () => {
  fc.assert(
    fc.property(hostile, (text) => {
      assertOnlyInvalidInput(parsePrefix, text);
      assertOnlyInvalidInput(parseAddress, text);
      assert.equal(typeof prefixSchema.safeParse(text).success, 'boolean');
      assert.equal(typeof addressSchema.safeParse(text).success, 'boolean');
    }),
    { numRuns: 1_000 },
  );
});

test('a block survives being taken apart and put together', () => {
  fc.assert(
    fc.property(prefix, (one) => {
      assert.equal(prefixFrom(prefixBits(one)), one);
      assert.equal(parsePrefix(one), one);
      assert.ok(prefixSchema.safeParse(one).success);
    }),
  );
});

test('a block holds the addresses from its first to its last and no other', () => {
  fc.assert(
    fc.property(prefix, fc.bigInt(0n, 2n ** 128n), (one, seed) => {
      const size = prefixSize(prefixBits(one));
      const address = addressAt(one, seed % size);
      assert.ok(addressSchema.safeParse(address).success, address);
      assert.equal(familyOf(address), familyOf(one));
      assert.ok(prefixesOverlap(hostPrefix(address), one));
      assert.throws(() => addressAt(one, size), RangeError);
      assert.throws(() => addressAt(one, -1n), RangeError);
    }),
  );
});

test('two blocks overlap when one’s first address is in the other', () => {
  const includes = (outer: Prefix, inner: Prefix): boolean => {
    const [a, b] = [prefixBits(outer), prefixBits(inner)];
    return a.family === b.family && a.first <= b.first && b.first < a.first + prefixSize(a);
  };
  fc.assert(
    fc.property(prefix, prefix, (one, other) => {
      const expected = includes(one, other) || includes(other, one);
      assert.equal(prefixesOverlap(one, other), expected);
      assert.equal(prefixesOverlap(other, one), expected);
      assert.ok(prefixesOverlap(one, one));
    }),
  );
});

test('host bits are refused with the block that was meant', () => {
  assert.throws(() => parsePrefix('100.64.0.1/21'), { message: /write 100\.64\.0\.0\/21/ });
  assert.throws(() => parsePrefix('fd00::1/64'), { message: /write fd00::\/64/ });
});

test('spellings of one address become one', () => {
  assert.equal(parseAddress('FD00:0:0::0:1'), 'fd00::1');
  assert.equal(parseAddress('::ffff:192.0.2.1'), parseAddress('::ffff:c000:201'));
  for (const text of ['1.2.3', '1.2.3.4.5', '0x7f.1', '1.2.3.256', 'fe80::1%eth0', '[::1]', ''])
    assert.throws(() => parseAddress(text), { code: 'invalid' }, text);
});
