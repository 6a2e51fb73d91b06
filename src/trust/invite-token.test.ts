import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { blocksOf, CertificateBed, hourMs } from '../../test/support/certificate-bed.ts';
import { endpointSchema } from '../model/endpoint.ts';
import { InvalidInputError } from '../model/error.ts';
import { parseMasterName, parseSubsetName } from '../model/names.ts';
import { createIssuer, issueIntermediate } from './certificate-authority.ts';
import { rootFingerprint } from './certificate-check.ts';
import {
  createInviteToken,
  type InviteClaims,
  readInviteToken,
  verifyInviteToken,
} from './invite-token.ts';
import { TrustError } from './trust-error.ts';

const bed = await CertificateBed.create();
const { vpn, nowMs } = bed;
const subset = parseSubsetName('fra');
const fra = await bed.intermediate('fra');
const lhr = await bed.intermediate('lhr');
const authorities = new Map([[parseMasterName('fra-1'), fra.certificatePem]]);
const verification = { vpn, subset, authorities, nowMs };

const contact = (name: string, host: string) => ({
  master: parseMasterName(name),
  endpoint: endpointSchema.parse(`${host}:7443`),
});
const invite: Omit<InviteClaims, 'vpn' | 'subset'> = {
  inviteId: '0b9f9e0e-7d0c-4e0a-8f43-5a1c2d3e4f50',
  expiresAtMs: Math.floor(nowMs / 1_000) * 1_000 + hourMs,
  rootFingerprint: rootFingerprint(bed.root.certificatePem),
  control: [contact('fra-1', 'fra.example.net'), contact('lhr-1', '[2001:db8::1]')],
  memberName: bed.member('fra', 'alice').name,
};
const token = await createInviteToken(invite, fra);

/** A token with these parts, signed by the subset's authority. */
function signedAs(header: object, payload: object): string {
  const parts = [header, payload].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  const key = { key: fra.privateKey, dsaEncoding: 'ieee-p1363' } as const;
  const signature = sign('sha256', Buffer.from(parts.join('.')), key).toString('base64url');
  return `hanse_${parts.join('.')}.${signature}`;
}

const partsOf = (text: string) =>
  text
    .slice('hanse_'.length)
    .split('.')
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()));
const [header, payload] = partsOf(token);

test('a token says what it was made of, before and after its signature is verified', async () => {
  const claims = { ...invite, vpn, subset };
  assert.deepEqual(readInviteToken(token, { nowMs }), claims);
  assert.deepEqual(await verifyInviteToken(token, verification), claims);
});

test('a token without a member’s name has none', async () => {
  const { memberName: _, ...anyone } = invite;
  const claims = await verifyInviteToken(await createInviteToken(anyone, fra), verification);
  assert.equal('memberName' in claims, false);
});

test('white space of copying is ignored, also within', () => {
  const wrapped = `\n  ${token.replace(/(.{60})/g, '$1\r\n')}\t\n`;
  assert.deepEqual(readInviteToken(wrapped, { nowMs }), readInviteToken(token, { nowMs }));
});

test('people and secret scanners recognise a token', () => {
  assert.match(token, /^hanse_[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.deepEqual(header, { alg: 'ES256', typ: 'hanse-invite', kid: 'fra-1' });
});

test('a token cut off anywhere is said to be cut off, or no token', () => {
  for (let length = 0; length < token.length; length++) {
    assert.throws(
      () => readInviteToken(token.slice(0, length), { nowMs }),
      (error) =>
        error instanceof TrustError &&
        error.code === 'malformed' &&
        /cut off|must start with "hanse_"/.test(error.message),
    );
  }
});

test('no changed character of a token is verified', async () => {
  for (let index = 0; index < token.length; index += 1) {
    const other = token[index] === 'A' ? 'B' : 'A';
    const changed = `${token.slice(0, index)}${other}${token.slice(index + 1)}`;
    await assert.rejects(verifyInviteToken(changed, verification), TrustError);
  }
});

test('a token for several subsets says so by its version, which older software refuses by name', async () => {
  const placed = await createInviteToken({ ...invite, isPlaced: true }, fra);
  assert.equal(partsOf(placed)[1].v, 2);
  assert.equal((await verifyInviteToken(placed, verification)).isPlaced, true);
  assert.equal(payload.v, 1);
});

test('an expired token says when it ended', () => {
  const limit = new Date(invite.expiresAtMs).toISOString();
  readInviteToken(token, { nowMs: invite.expiresAtMs - 1 });
  assert.throws(() => readInviteToken(token, { nowMs: invite.expiresAtMs }), {
    code: 'expired',
    fields: { limit },
  });
});

test('a token of a later version asks for an update', () => {
  const later = signedAs(header, { ...payload, v: 3, more: true });
  assert.throws(() => readInviteToken(later, { nowMs }), { code: 'unknown-version' });
});

test('tokens of other places and other signers are told apart', async () => {
  const other = await CertificateBed.create('other');
  const otherFra = await other.intermediate('fra');
  const sameName = await (await CertificateBed.create()).intermediate('fra');
  const cases = [
    [await createInviteToken(invite, otherFra), 'wrong-vpn'],
    [await createInviteToken(invite, lhr), 'wrong-subset'],
    [await createInviteToken(invite, sameName), 'forged'],
    [signedAs({ ...header, kid: 'fra-9' }, payload), 'forged'],
  ] as const;
  for (const [text, code] of cases) {
    readInviteToken(text, { nowMs });
    await assert.rejects(verifyInviteToken(text, verification), { name: 'TrustError', code });
  }
});

test('a stolen master cannot invite into a subset that is not its own', async () => {
  const stolen = { ...lhr, scope: fra.scope };
  const text = await createInviteToken(invite, stolen);
  await assert.rejects(verifyInviteToken(text, verification), { code: 'forged' });
});

test('every master of the subset can sign, under its own name only', async () => {
  const master = parseMasterName('lhr-1');
  const period = { fromMs: nowMs, untilMs: nowMs + hourMs };
  const backup = createIssuer(
    await issueIntermediate({ vpn, subset, master, blocks: blocksOf(1), root: bed.root, period }),
  );
  const both = new Map([...authorities, [master, backup.certificatePem] as const]);
  await verifyInviteToken(await createInviteToken(invite, backup), {
    ...verification,
    authorities: both,
  });
});

test('other algorithms, types and fields are malformed, however well signed', () => {
  const wrong: readonly (readonly [object, object])[] = [
    [{ ...header, alg: 'none' }, payload],
    [{ ...header, alg: 'HS256' }, payload],
    [{ ...header, typ: 'JWT' }, payload],
    [{ ...header, jwk: {} }, payload],
    [{ ...header, crit: ['exp'] }, payload],
    [header, { ...payload, extra: 1 }],
    [header, { ...payload, exp: 'tomorrow' }],
    [header, { ...payload, exp: 1e15 }],
    [header, { ...payload, subset: 'masters' }],
    [header, { ...payload, masters: [] }],
    [header, { ...payload, masters: Array(10).fill(payload.masters[0]) }],
    [header, { ...payload, masters: [['fra-1', 'fra.example.net:0']] }],
    [header, { ...payload, root: 'short' }],
    [header, {}],
    [header, []],
  ];
  for (const [wrongHeader, wrongPayload] of wrong) {
    const text = signedAs(wrongHeader, wrongPayload);
    assert.throws(() => readInviteToken(text, { nowMs }), { code: 'malformed' });
  }
});

test('whatever is given for a token, reading says what is wrong with it', () => {
  const part = fc.oneof(
    fc.json().map((json) => Buffer.from(json).toString('base64url')),
    fc.string(),
  );
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `hanse_${rest}`),
    fc.tuple(part, part).map((parts) => `hanse_${parts.join('.')}.${'A'.repeat(86)}`),
    part.map((body) => `${token.split('.')[0]}.${body}.${'A'.repeat(86)}`),
  );
  fc.assert(
    fc.property(text, (hostile) => {
      assert.throws(() => readInviteToken(hostile, { nowMs }), TrustError);
    }),
    { numRuns: 1_000 },
  );
  assert.throws(() => readInviteToken('hanse_'.padEnd(1_000_000, '\n'), { nowMs }), /too long/);
});

test('nothing is signed that could not be read: bad claims, too long, no subset’s authority', async () => {
  const [first] = invite.control;
  const tooMany = [first, ...Array<typeof first>(9).fill(first)] as const;
  for (const wrong of [
    { ...invite, inviteId: 'none' },
    { ...invite, rootFingerprint: '' },
    { ...invite, expiresAtMs: Number.NaN },
    { ...invite, control: tooMany },
  ]) {
    await assert.rejects(createInviteToken(wrong, fra), InvalidInputError);
  }
  const long = contact('m'.repeat(32), `[${'0:'.repeat(200)}]`);
  const tooLong = [long, ...Array<typeof first>(8).fill(long)] as const;
  await assert.rejects(createInviteToken({ ...invite, control: tooLong }, fra), /characters long/);
  await assert.rejects(createInviteToken(invite, bed.root), InvalidInputError);
});
