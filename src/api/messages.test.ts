import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mostCandidates } from '../core/measuring/probe-schedule.ts';
import { maxCandidates, maxDirectPeers } from './direct-messages.ts';
import {
  type MasterMessage,
  type MemberMessage,
  masterMessageSchema,
  maxMasterMessageBytes,
  maxMemberMessageBytes,
  memberMessageSchema,
} from './messages.ts';

const key = Buffer.alloc(32).toString('base64');
const certificate = `-----BEGIN CERTIFICATE-----\n${'A'.repeat(1_000)}`;
const contact = {
  name: 'elbe',
  control: 'elbe.example:8443',
  wireguard: { host: '192.0.2.1', port: 51_820 },
  chain: [certificate],
};
const view = {
  revision: 7,
  acting: contact,
  backups: [contact],
  orders: [['elbe', 'spree']],
  spreadMs: 250,
  key: { epoch: 1, groupKey: key },
  keying: 'changing',
};
const place = {
  vpn: { name: 'corp', id: '01234567', keying: 'per-subset', prefixes: ['100.64.0.0/10'] },
  subset: 'hamburg',
  name: 'anna',
  ipv4: '100.64.0.2',
  ipv6: 'fd00::2',
};

const messageOfPath = {
  ...{ peer: key, name: 'bela', state: 'direct', reason: 'it answers', ageMs: 1_200 },
  ...{ endpoint: '198.51.100.7:40001', tried: ['[2001:db8::3]:40000', '198.51.100.7:40001'] },
  ...{ roundTripMs: 12.5, handshakeAgeMs: 3_000 },
};

const measurement = {
  ...{ name: 'elbe', stun: 'answers', ageMs: 1_200, sent: 32, lost: 1 },
  ...{ latencyMs: 12.345_678_9, jitterMs: 0.123_456_789, hops: 11 },
  ...{ seenAs: '[2001:db8:1111:2222:3333:4444:5555:6666]:40000', control: 'answers' },
  ...{ downMbit: 93.123_456_789, upMbit: 12.345_678_9, transferAgeMs: 3_600_000.123 },
};

/** One of each: a message that is added has to be added here. */
const memberMessages: { readonly [Type in MemberMessage['type']]: object } = {
  join: { token: 'hanse_x', name: 'anna', keys: { acting: key } },
  hello: { appliedRevision: 0, appliedEpoch: 0 },
  acknowledge: { revision: 3, epoch: 1 },
  renew: {},
  leave: {},
  seek: { addresses: ['100.64.0.2'] },
  paths: { paths: [messageOfPath], held: [key] },
  measurements: { masters: [measurement] },
  moved: { chain: [certificate] },
  'not-moved': { inviteId: '3b241101-e2bb-4255-8caf-4136c566a962', reason: 'no answer' },
  'find-place': { token: 'hanse_x' },
  'ask-place': { token: 'hanse_x', name: 'anna', masters: [measurement], declined: ['hamburg'] },
  land: { claim: 'hanse-claim_x', name: 'anna', keys: { acting: key } },
};
const masterMessages: { readonly [Type in MasterMessage['type']]: object } = {
  admitted: { place, chain: [certificate], rootCertificate: certificate, view },
  view: { view },
  'key-changed': { previousRevision: 7, revision: 8, key: { epoch: 2, groupKey: key } },
  spread: { spreadMs: 25_000 },
  renewed: { chain: [certificate] },
  ended: { reason: 'evicted' },
  refused: { code: 'bad-token', message: 'no', retryable: false },
  meet: {},
  introduce: {
    ...{ name: 'bela', chain: [certificate], ipv4: '100.64.0.3', ipv6: 'fd00::3' },
    ...{ candidates: ['198.51.100.7:40001', '[2001:db8::3]:40000'], isFirst: true },
  },
  withdraw: { peers: [key] },
  'report-paths': {},
  candidates: { masters: [{ name: 'elbe', control: 'elbe.example:8443', stunPort: 3_478 }] },
  move: { token: 'hanse_x', graceMs: 900_000 },
  placed: {
    ...{ subset: 'hamburg', master: 'elbe', claim: 'hanse-claim_x' },
    control: [{ master: 'elbe', endpoint: 'elbe.example:8443' }],
  },
};

/** Lists that say something without an entry too. */
const mayBeEmpty = new Set([
  ...['paths.paths', 'paths.held', 'introduce.candidates'],
  ...['measurements.masters', 'candidates.masters'],
  'ask-place.masters',
  'ask-place.declined',
]);

const directions = [
  ['member', memberMessageSchema, memberMessages, maxMemberMessageBytes],
  ['master', masterMessageSchema, masterMessages, maxMasterMessageBytes],
] as const;

/** In every object of the message, however deep. */
function withLaterField(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withLaterField);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, field]) => [name, withLaterField(field)]);
  return { ...Object.fromEntries(entries), addedLater: { since: 2 } };
}

for (const [sender, schema, messages, maxBytes] of directions) {
  test(`every message of a ${sender} is understood as it was sent, within its size`, () => {
    for (const [type, fields] of Object.entries(messages)) {
      const text = JSON.stringify({ type, ...fields });
      assert.ok(Buffer.byteLength(text) < maxBytes, type);
      assert.deepEqual(schema.parse(JSON.parse(text)), { type, ...fields });
    }
  });

  test(`a message of a ${sender} that lacks a field, or has one of another kind, is refused`, () => {
    for (const [type, fields] of Object.entries(messages)) {
      for (const field of Object.keys(fields)) {
        for (const wrong of [undefined, null, {}, [], -1, 'x'.repeat(20_000)]) {
          if (Array.isArray(wrong) && mayBeEmpty.has(`${type}.${field}`)) continue;
          const spoilt = { type, ...fields, [field]: wrong };
          assert.equal(schema.safeParse(spoilt).success, false, `${type}.${field}`);
        }
      }
    }
  });

  test(`a field that a later version has added to a message of a ${sender} is passed over`, () => {
    for (const [type, fields] of Object.entries(messages)) {
      const later = withLaterField({ type, ...fields });
      assert.deepEqual(schema.parse(later), { type, ...fields }, type);
    }
  });

  test(`unknown types are refused where a ${sender} speaks, those of the other end too`, () => {
    const others = sender === 'member' ? masterMessages : memberMessages;
    for (const [type, fields] of Object.entries({ ...others, nonsense: {}, '': {} }))
      assert.equal(schema.safeParse({ type, ...fields }).success, false, type);
    fc.assert(
      fc.property(fc.anything(), (value) => {
        assert.equal(schema.safeParse(value).success, false);
      }),
    );
  });
}

test('a hello may say how the member is reached directly', () => {
  const direct = {
    ...{ port: 40_000, addresses: ['192.168.1.2', '2001:db8::2'], peers: [key] },
    chain: [certificate],
  };
  const hello = { type: 'hello', appliedRevision: 0, appliedEpoch: 0, direct };
  assert.deepEqual(memberMessageSchema.parse(hello), hello);
  for (const wrong of [{ port: 0 }, { addresses: ['here'] }, { peers: ['key'] }, { chain: [] }]) {
    const spoilt = { ...hello, direct: { ...direct, ...wrong } };
    assert.equal(memberMessageSchema.safeParse(spoilt).success, false, JSON.stringify(wrong));
  }
});

test('the longest honest report of paths fits into a message', () => {
  const tried = Array(maxCandidates).fill('[2001:db8:1111:2222:3333:4444:5555:6666]:40000');
  const path = { ...messageOfPath, reason: 'r'.repeat(100), tried, name: 'n'.repeat(32) };
  const message = {
    type: 'paths',
    paths: Array(maxDirectPeers).fill(path),
    held: Array(maxDirectPeers).fill(key),
  };
  assert.ok(memberMessageSchema.safeParse(message).success);
  assert.ok(Buffer.byteLength(JSON.stringify(message)) < maxMemberMessageBytes);
});

test('the longest honest report of measurements fits into a message', () => {
  const master = { ...measurement, name: 'n'.repeat(32) };
  const message = { type: 'measurements', masters: Array(mostCandidates).fill(master) };
  assert.ok(memberMessageSchema.safeParse(message).success);
  assert.ok(Buffer.byteLength(JSON.stringify(message)) < maxMemberMessageBytes);
});

test('the longest honest list of candidates fits into a message', () => {
  const control = `${'h'.repeat(253)}:8443`;
  const master = { name: 'n'.repeat(32), control, stunPort: 65_535 };
  const message = { type: 'candidates', masters: Array(mostCandidates).fill(master) };
  assert.ok(masterMessageSchema.safeParse(message).success);
  assert.ok(Buffer.byteLength(JSON.stringify(message)) < maxMasterMessageBytes);
});

test('no report says more of a master than there can be', () => {
  const wrong = [
    ...[{ latencyMs: -1 }, { latencyMs: 60_001 }, { jitterMs: Number.NaN }, { hops: 0 }],
    ...[{ hops: 1.5 }, { lost: -1 }, { sent: 1e6 }, { stun: 'perhaps' }, { downMbit: 1e9 }],
    ...[{ seenAs: 'x'.repeat(65) }, { ageMs: 1e12 }, { name: 'two words' }],
  ];
  for (const fields of wrong) {
    const message = { type: 'measurements', masters: [{ ...measurement, ...fields }] };
    assert.equal(memberMessageSchema.safeParse(message).success, false, JSON.stringify(fields));
  }
});

test('the longest honest view fits into a message', () => {
  const chain = Array(3).fill(`-----BEGIN CERTIFICATE-----\n${'A'.repeat(2_000)}`);
  const large = { ...contact, chain };
  const message = { type: 'view', view: { ...view, acting: large, backups: Array(8).fill(large) } };
  assert.ok(masterMessageSchema.safeParse(message).success);
  assert.ok(Buffer.byteLength(JSON.stringify(message)) < maxMasterMessageBytes);
});
