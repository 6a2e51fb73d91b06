import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { blocksOf, CertificateBed, honestExtensions } from '../../test/support/certificate-bed.ts';
import { earlierAuthority } from '../../test/support/earlier-authority.ts';
import { addressesAt } from '../core/addressing.ts';
import { clockSkewMs } from '../model/clock-skew.ts';
import { type ChainCheck, verifyChain } from './certificate-check.ts';
import { memberAddressesOid } from './certificate-profile.ts';
import { encodeMemberAddresses, type MemberAddresses } from './member-addresses.ts';
import { extension } from './signed-certificate.ts';
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

test('an address of another subset is out of the scope of whoever certified it', async () => {
  const [own, others] = [blocksOf(1), blocksOf(2)].map((blocks) => addressesAt(blocks, 2));
  assert.ok(own && others);
  const leafFor = (addresses: MemberAddresses) =>
    bed.forge({
      issuer: fra,
      extensions: [
        ...honestExtensions(alice),
        extension(memberAddressesOid, encodeMemberAddresses(addresses), { critical: false }),
      ],
    });
  const { chain } = await leafFor(others);
  await assert.rejects(verify({ chain }), {
    name: 'TrustError',
    code: 'out-of-scope',
    message: /expected an address of fd12:3456:789a:1::\/64, .* is for fd12:3456:789a:2::2/,
  });
  // IPv4 blocks grow without the root, so that is for others to judge.
  const grown = { ipv4: others.ipv4, ipv6: own.ipv6 };
  const checked = await verify({ chain: (await leafFor(grown)).chain });
  assert.deepEqual([checked.addresses, checked.blocks], [grown, blocksOf(1)]);
});

test('who is certified by an authority that binds no blocks may have any address, as far as the check goes', async () => {
  const { chain } = await bed.issue(alice, bed.period, addressesAt(blocksOf(1), 2));
  const earlier = await earlierAuthority(fra, bed.root);
  const checked = await verify({ chain: [chain[0] ?? '', earlier.certificatePem] });
  assert.equal(checked.blocks, undefined);
});

test('an extension with addresses in any other form is refused, critical or not', async () => {
  const honest = encodeMemberAddresses(addressesAt(blocksOf(1), 2));
  for (const [value, critical, code] of [
    [honest.subarray(0, -1), false, 'malformed'],
    [Buffer.concat([honest, Buffer.of(5, 0)]), false, 'malformed'],
    [Buffer.alloc(0), false, 'malformed'],
    [honest, true, 'wrong-use'],
  ] as const) {
    const binding = extension(memberAddressesOid, value, { critical });
    const extensions = [...honestExtensions(alice), binding];
    const { chain } = await bed.forge({ issuer: fra, extensions });
    await assert.rejects(verify({ chain }), { name: 'TrustError', code });
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
