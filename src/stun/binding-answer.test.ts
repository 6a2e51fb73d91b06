import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answerBinding } from './binding-answer.ts';
import { parseXorMappedAddress } from './mapped-address.ts';
import {
  attributeType,
  encodeStunMessage,
  longestMessageBytes,
  magicCookie,
  parseStunMessage,
  type StunMessage,
} from './stun-message.ts';

const from = { address: '192.0.2.7', port: 40_000 };
const request = (changes: Partial<StunMessage> = {}): Buffer =>
  encodeStunMessage({
    ...{ class: 'request', cookie: magicCookie, attributes: [], ...changes },
    transactionId: Buffer.alloc(12, 7),
  });

function answer(packet: Buffer, source = from): StunMessage {
  const { packet: bytes } = answerBinding(packet, source, 'hanse');
  const message = bytes && parseStunMessage(bytes);
  assert.ok(message);
  return message;
}

const attributeOf = (message: StunMessage, type: number) =>
  message.attributes.find((attribute) => attribute.type === type)?.value;

test('a request is answered with where it came from, and by whom', () => {
  const message = answer(request());
  assert.equal(message.class, 'success');
  assert.deepEqual(message.transactionId, Buffer.alloc(12, 7));
  const value = attributeOf(message, attributeType.xorMappedAddress);
  assert.deepEqual(value && parseXorMappedAddress(value, message), from);
  assert.equal(attributeOf(message, attributeType.software)?.toString(), 'hanse');
});

test('an IPv4 client of a socket for both families is told its IPv4 address', () => {
  const message = answer(request(), { address: '::ffff:192.0.2.7', port: 40_000 });
  const value = attributeOf(message, attributeType.xorMappedAddress);
  assert.deepEqual(value && parseXorMappedAddress(value, message), from);
});

test('RFC 8489 §6.3.1: unknown comprehension-required attributes are answered with 420 and their names', () => {
  const unknown = [0x7777, 0x0042].map((type) => ({ type, value: Buffer.alloc(3) }));
  const message = answer(request({ attributes: unknown }));
  assert.equal(message.class, 'error');
  assert.deepEqual(
    attributeOf(message, attributeType.errorCode)?.subarray(0, 4),
    Buffer.from([0, 0, 4, 20]),
  );
  assert.equal(attributeOf(message, attributeType.unknownAttributes)?.toString('hex'), '77770042');
});

test('unknown attributes that need not be understood, and those of authentication, are passed over', () => {
  const attributes = [0x8fff, attributeType.username, attributeType.messageIntegrity].map(
    (type) => ({ type, value: Buffer.alloc(20) }),
  );
  assert.equal(answer(request({ attributes })).class, 'success');
});

test('RFC 5389 §12.2: a client of RFC 3489 gets its cookie back, and a plain address', () => {
  const change = { type: attributeType.changeRequest, value: Buffer.alloc(4) };
  const message = answer(request({ cookie: 0x01020304, attributes: [change] }));
  assert.equal(message.class, 'success');
  assert.equal(message.cookie, 0x01020304);
  assert.equal(
    attributeOf(message, attributeType.mappedAddress)?.toString('hex'),
    '00019c40c0000207',
  );
  assert.equal(message.attributes.length, 1);
});

test('a request to be answered from elsewhere is refused', () => {
  const change = { type: attributeType.changeRequest, value: Buffer.from([0, 0, 0, 6]) };
  assert.equal(answer(request({ attributes: [change] })).class, 'error');
});

test('answers, indications and other protocols are not answered, so that two servers never talk', () => {
  for (const kind of ['success', 'error', 'indication'] as const) {
    assert.deepEqual(answerBinding(request({ class: kind }), from, 'hanse'), {
      outcome: 'ignored',
    });
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), (array) => {
      const { outcome } = answerBinding(Buffer.from(array), from, 'hanse');
      // One chance in billions: a binding request by accident.
      assert.equal(outcome, 'ignored');
    }),
  );
});

test('no answer is longer than 128 bytes, whatever is asked', () => {
  const types = fc.array(fc.integer({ min: 0, max: 0x7fff }), { maxLength: 30 });
  fc.assert(
    fc.property(types, (list) => {
      const attributes = list.map((type) => ({ type, value: Buffer.alloc(4) }));
      const { packet } = answerBinding(request({ attributes }), from, 'hanse');
      assert.ok(packet && packet.length <= 128, String(packet?.length));
    }),
  );
});

test('a packet that is too long is not looked into', () => {
  const attributes = Array.from({ length: 32 }, () => ({ type: 0x8000, value: Buffer.alloc(40) }));
  const packet = request({ attributes });
  assert.ok(packet.length > longestMessageBytes);
  assert.equal(answerBinding(packet, from, 'hanse').outcome, 'ignored');
});
