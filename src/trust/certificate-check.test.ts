import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { CertificateBed } from '../../test/support/certificate-bed.ts';
import { clockSkewMs } from '../model/clock-skew.ts';
import { type ChainCheck, verifyChain } from './certificate-check.ts';
import { TrustError, type TrustErrorCode } from './trust-error.ts';

const bed = await CertificateBed.create();
const fra = await bed.intermediate('fra');
const alice = bed.member('fra', 'alice');

test('a chain is good for the expected identity or kind only', async () => {
  const { chain } = await bed.issue(alice);
  const other = await CertificateBed.create('other');
  const cases: readonly (readonly [ChainCheck['expected'], TrustErrorCode | undefined])[] = [
    [alice, undefined],
    ['member', undefined],
    ['master', 'wrong-identity'],
    ['operator', 'wrong-identity'],
    [bed.member('fra', 'bob'), 'wrong-identity'],
    [bed.member('lhr', 'alice'), 'wrong-subset'],
    [bed.master('alice'), 'wrong-identity'],
    [other.member('fra', 'alice'), 'wrong-vpn'],
  ];
  for (const [expected, code] of cases) {
    const result = verify({ chain, expected });
    await (code === undefined ? result : assert.rejects(result, { name: 'TrustError', code }));
  }
});

test('a chain stops being good when its intermediate ends', async () => {
  const { chain } = await bed.issue(alice);
  const afterAll = fra.notAfterMs + 1;
  await assert.rejects(verify({ chain, nowMs: afterAll }), { code: 'expired' });
  await verify({ chain, nowMs: Math.floor(bed.period.untilMs / 1_000) * 1_000 });
});

test('a new certificate is good where the clock is five minutes behind, and not where it is more', async () => {
  const { chain } = await bed.issue(alice);
  const issuedMs = Math.ceil(bed.nowMs / 1_000) * 1_000;
  await verify({ chain, nowMs: issuedMs - clockSkewMs });
  const nowMs = issuedMs - clockSkewMs - 1_001;
  await assert.rejects(verify({ chain, nowMs }), { code: 'not-yet-valid' });
});

test('a chain is one or two certificates, each one PEM block', async () => {
  const { chain } = await bed.issue(alice);
  const [leaf = '', intermediate = ''] = chain;
  const root = bed.root.certificatePem;
  for (const malformed of [
    [],
    [leaf, intermediate, root],
    [`${leaf}${intermediate}`],
    [`junk\n${leaf}`, intermediate],
    [leaf.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE'), intermediate],
    ['x'.repeat(1_000_000)],
  ]) {
    await assert.rejects(verify({ chain: malformed }), { code: 'malformed' });
  }
});

test('no single changed byte of a leaf passes the check', async () => {
  const { chain } = await bed.issue(alice);
  const der = new X509Certificate(chain[0] ?? '').raw;
  const changes = fc.tuple(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(changes, async ([offset, difference]) => {
      const changed = Buffer.from(der);
      changed[offset] = (changed[offset] ?? 0) ^ difference;
      const forged = [pemOf(changed), ...chain.slice(1)];
      await assert.rejects(verify({ chain: forged }), TrustError);
    }),
    { numRuns: 300 },
  );
});

test('whatever is given for a certificate, the check says what is wrong with it', async () => {
  const { chain } = await bed.issue(alice);
  const pieces = [...chain, bed.root.certificatePem, '-----BEGIN CERTIFICATE-----\n', ''];
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom(...pieces),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => pemOf(Buffer.from(bytes))),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 3 }), text, async (forged, root) => {
      await verify({ chain: forged, root }).catch((error) =>
        assert.ok(error instanceof TrustError),
      );
    }),
    { numRuns: 300 },
  );
});

function verify(check: Partial<ChainCheck> & Pick<ChainCheck, 'chain'>) {
  const { nowMs } = bed;
  return verifyChain({ root: bed.root.certificatePem, nowMs, expected: alice, ...check });
}

function pemOf(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
}
