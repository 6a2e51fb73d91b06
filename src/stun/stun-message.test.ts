import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeXorMappedAddress, parseXorMappedAddress } from './mapped-address.ts';
import {
  attributeType,
  encodeStunMessage,
  magicCookie,
  parseStunMessage,
  type StunMessage,
} from './stun-message.ts';

const bytes = (least: number, most: number) =>
  fc.uint8Array({ minLength: least, maxLength: most }).map((array) => Buffer.from(array));
const plain = { noNullPrototype: true };
const message: fc.Arbitrary<StunMessage> = fc.record(
  {
    class: fc.constantFrom('request', 'indication', 'success', 'error'),
    cookie: fc.oneof(fc.constant(magicCookie), fc.integer({ min: 0, max: 0xffff_ffff })),
    transactionId: bytes(12, 12),
    attributes: fc.array(
      fc.record(
        {
          type: fc
            .integer({ min: 0, max: 0xffff })
            .filter((type) => type !== attributeType.fingerprint),
          value: bytes(0, 30),
        },
        plain,
      ),
      { maxLength: 30 },
    ),
  },
  plain,
);
const endpoint = fc.record(
  {
    address: fc.oneof(
      fc.ipV4(),
      fc.integer({ min: 1, max: 0xffff }).map((last) => `2001:db8::${last.toString(16)}`),
    ),
    port: fc.integer({ min: 0, max: 65_535 }),
  },
  plain,
);

test('what is written is read', () => {
  fc.assert(
    fc.property(message, (written) => {
      assert.deepEqual(parseStunMessage(encodeStunMessage(written)), written);
    }),
  );
});

test('a message with one bit of its cookie, transaction or fingerprint changed is not read', () => {
  fc.assert(
    fc.property(message, fc.nat({ max: 159 }), (written, bit) => {
      const packet = encodeStunMessage(written);
      const place = bit >>> 3;
      const at = place < 16 ? 4 + place : packet.length - 20 + place;
      packet.writeUInt8(packet.readUInt8(at) ^ (1 << (bit & 7)), at);
      assert.equal(parseStunMessage(packet), undefined);
    }),
  );
});

test('no packet makes the parser fail', () => {
  const header = message.map((written) => encodeStunMessage(written).subarray(0, 20));
  const hostile = fc.oneof(
    bytes(0, 1_500),
    fc.tuple(header, bytes(0, 100)).map(([head, tail]) => {
      const packet = Buffer.concat([head, tail]);
      packet.writeUInt16BE(tail.length, 2);
      return packet;
    }),
  );
  fc.assert(
    fc.property(hostile, (packet) => {
      const read = parseStunMessage(packet);
      assert.ok(read === undefined || read.attributes.length <= 32);
    }),
    { numRuns: 1_000 },
  );
});

test('an address is found again behind its exclusive or', () => {
  fc.assert(
    fc.property(endpoint, bytes(12, 12), (from, transactionId) => {
      const value = encodeXorMappedAddress(from, { transactionId });
      const read = parseXorMappedAddress(value, { transactionId });
      assert.deepEqual(read, from);
    }),
  );
});

test('no value is taken for an address that is none', () => {
  fc.assert(
    fc.property(bytes(0, 40), bytes(12, 12), (value, transactionId) => {
      const read = parseXorMappedAddress(value, { transactionId });
      assert.equal(read !== undefined, [8, 20].includes(value.length) && isFamily(value));
    }),
  );
});

function isFamily(value: Buffer): boolean {
  return value[1] === (value.length === 8 ? 1 : 2);
}

/** RFC 5769 §2.1 and §2.2, whose attributes of authentication are not checked here. */
const request = Buffer.from(
  '000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a683676592020200008001' +
    '49aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf',
  'hex',
);
const responseIpv4 = Buffer.from(
  '0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96',
  'hex',
);
const responseIpv6 = Buffer.from(
  '010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c',
  'hex',
);

test('the request of RFC 5769 §2.1 is read, its fingerprint included', () => {
  const read = parseStunMessage(request);
  assert.equal(read?.class, 'request');
  assert.equal(read?.attributes[0]?.value.toString(), 'STUN test client');
});

test('the responses of RFC 5769 §2.2 and §2.3 are read', () => {
  const addresses = [responseIpv4, responseIpv6].map((packet) => {
    const read = parseStunMessage(packet);
    const value = read?.attributes.find(({ type }) => type === attributeType.xorMappedAddress);
    return read && value && parseXorMappedAddress(value.value, read);
  });
  assert.deepEqual(addresses, [
    { address: '192.0.2.1', port: 32_853 },
    { address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32_853 },
  ]);
});
