import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { type Extension, Name } from '@peculiar/asn1-x509';
import {
  CertificateBed,
  type Credentials,
  honestExtensions,
  hourMs,
  subjectAltName,
  usageExtensions,
} from '../../test/support/certificate-bed.ts';
import { handshake } from '../../test/support/tls-handshake.ts';
import { dnsNameOf, type Identity } from '../model/names.ts';
import type { Issuer } from './certificate-authority.ts';
import { type ChainCheck, verifyChain } from './certificate-check.ts';
import { extensionValue, nameConstraintsOf, subjectAltNameOf } from './certificate-profile.ts';
import { contextTag, derTag, encodeDer } from './der.ts';
import { identityOfLeaf } from './leaf-certificate.ts';
import { createIdentityKeyPair } from './self-signed-certificate.ts';
import { distinguishedName, extension, signCertificate } from './signed-certificate.ts';
import { TrustError, type TrustErrorCode } from './trust-error.ts';

const bed = await CertificateBed.create();
const fra = await bed.intermediate('fra');
const lhr = await bed.intermediate('lhr');
const alice = bed.member('fra', 'alice');
const aliceName = dnsNameOf(alice);
const master = await bed.issue(bed.master('fra-1'));

const commonName = '2.5.4.3';
const ia5 = (type: number, text: string) =>
  encodeDer(contextTag(type, 'primitive'), Buffer.from(text, 'latin1'));
const names = (...generalNames: Uint8Array[]) =>
  subjectAltName(encodeDer(derTag.sequence, ...generalNames));
const memberUse = usageExtensions('member');

/** A leaf of alice's by the subset's own authority, with other names. */
const named = (...generalNames: Uint8Array[]) =>
  bed.forge({ issuer: fra, extensions: [names(...generalNames), ...memberUse] });

async function forgedAuthority(options: {
  readonly issuer: Issuer;
  readonly name: Name;
  readonly extensions: readonly Extension[];
}): Promise<Issuer> {
  const { privateKey, publicKey } = createIdentityKeyPair();
  const certificatePem = await signCertificate(
    {
      issuer: options.issuer.name,
      subject: options.name,
      spki: publicKey.export({ type: 'spki', format: 'der' }),
      period: bed.period,
      extensions: options.extensions,
    },
    options.issuer.privateKey,
  );
  return { ...fra, certificatePem, name: options.name, privateKey };
}

const authorityUse = [
  extension('2.5.29.19', extensionValue.intermediateBasicConstraints, { critical: true }),
  extension('2.5.29.15', extensionValue.authorityKeyUsage, { critical: true }),
];
const fraName = distinguishedName(['2.5.4.10', bed.vpn], ['2.5.4.11', 'fra'], [commonName, 'x']);
const constraintsOf = (subset: typeof alice.subset, critical = true) =>
  extension('2.5.29.30', nameConstraintsOf(bed.vpn, subset), { critical });

interface ForgeryCase {
  readonly what: string;
  readonly forge: () => Promise<Credentials>;
  readonly code: TrustErrorCode;
  /** Who the check is told to expect; alice unless said. */
  readonly claims?: Identity;
}

/** What whoever holds the key of an intermediate, and so a stolen master, can make. */
const forgeries: readonly ForgeryCase[] = [
  {
    what: 'another subset’s member by a stolen master',
    forge: () => bed.forge({ issuer: lhr, extensions: honestExtensions(alice) }),
    code: 'wrong-subset',
  },
  {
    what: 'another subset’s member by a stolen master that sends the right intermediate',
    forge: () =>
      bed.forge({
        issuer: lhr,
        extensions: honestExtensions(alice),
        intermediates: [fra.certificatePem],
      }),
    code: 'untrusted',
  },
  {
    what: 'a master by a stolen master',
    forge: () => bed.forge({ issuer: fra, extensions: honestExtensions(bed.master('evil')) }),
    code: 'wrong-use',
    claims: bed.master('evil'),
  },
  {
    what: 'a master by a stolen master that hides its intermediate',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: honestExtensions(bed.master('evil')),
        intermediates: [],
      }),
    code: 'untrusted',
    claims: bed.master('evil'),
  },
  {
    what: 'an operator by a stolen master',
    forge: () => bed.forge({ issuer: fra, extensions: honestExtensions(bed.operator('evil')) }),
    code: 'wrong-use',
    claims: bed.operator('evil'),
  },
  {
    what: 'a member of a subset whose name ends like its own',
    forge: () =>
      bed.forge({ issuer: fra, extensions: honestExtensions(bed.member('xfra', 'alice')) }),
    code: 'wrong-subset',
    claims: bed.member('xfra', 'alice'),
  },
  {
    what: 'a CN and no name',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: memberUse,
        subject: distinguishedName([commonName, aliceName]),
      }),
    code: 'no-name',
  },
  {
    what: 'the one CN that the name constraints permit, and no name',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: memberUse,
        subject: distinguishedName([commonName, 'nobody']),
      }),
    code: 'no-name',
  },
  {
    what: 'an empty list of names',
    forge: () => named(),
    code: 'no-name',
  },
  {
    what: 'a CN beside the name',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: honestExtensions(alice),
        subject: distinguishedName([commonName, 'root']),
      }),
    code: 'extra-name',
  },
  {
    what: 'a second DNS name inside the subset',
    forge: () => named(ia5(2, aliceName), ia5(2, dnsNameOf(bed.member('fra', 'bob')))),
    code: 'extra-name',
  },
  {
    what: 'a second DNS name outside',
    forge: () => named(ia5(2, aliceName), ia5(2, dnsNameOf(bed.member('lhr', 'bob')))),
    code: 'extra-name',
  },
  {
    what: 'an e-mail address beside the name',
    forge: () => named(ia5(2, aliceName), ia5(1, `x@${aliceName}`)),
    code: 'extra-name',
  },
  {
    what: 'the one e-mail host that the name constraints permit',
    forge: () => named(ia5(2, aliceName), ia5(1, 'x@nobody.invalid')),
    code: 'extra-name',
  },
  {
    what: 'a URI beside the name',
    forge: () => named(ia5(2, aliceName), ia5(6, `https://${aliceName}/`)),
    code: 'extra-name',
  },
  {
    what: 'an IPv4 address beside the name',
    forge: () => named(ia5(2, aliceName), ia5(7, '\x7f\0\0\x01')),
    code: 'extra-name',
  },
  {
    what: 'an IPv6 address beside the name',
    forge: () => named(ia5(2, aliceName), ia5(7, `${'\0'.repeat(15)}\x01`)),
    code: 'extra-name',
  },
  {
    what: 'an IP address and no other name',
    forge: () => named(ia5(7, '\x7f\0\0\x01')),
    code: 'extra-name',
  },
  {
    what: 'a directory name beside the name',
    forge: () =>
      named(ia5(2, aliceName), encodeDer(contextTag(4, 'constructed'), Buffer.from('3000', 'hex'))),
    code: 'extra-name',
  },
  {
    what: 'an otherName beside the name',
    forge: () =>
      named(
        ia5(2, aliceName),
        encodeDer(contextTag(0, 'constructed'), Buffer.from('06022a03a0040c026869', 'hex')),
      ),
    code: 'extra-name',
  },
  {
    what: 'a registered id beside the name',
    forge: () => named(ia5(2, aliceName), ia5(8, '\x2a\x03')),
    code: 'extra-name',
  },
  ...[
    '*.fra.hansa.hanse.internal',
    'fra.hansa.hanse.internal',
    'a.b.fra.hansa.hanse.internal',
    '.fra.hansa.hanse.internal',
    'alice.fra.hansa.hanse.internal.',
    'alice.fra.hansa.hanse.internal.example.com',
    'alice.fra.hansa.hanse.internal\0.example.com',
    'ALICE.fra.hansa.hanse.internal',
    'alice .fra.hansa.hanse.internal',
    '',
  ].map((name) => ({
    what: `the name ${JSON.stringify(name)}`,
    forge: () => named(ia5(2, name)),
    code: 'malformed' as const,
  })),
  {
    what: 'the powers of a CA',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: [
          ...honestExtensions(alice),
          extension('2.5.29.19', '30030101ff', { critical: true }),
        ],
      }),
    code: 'wrong-use',
  },
  {
    what: 'the key usage of a CA',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: [
          subjectAltName(subjectAltNameOf(aliceName)),
          extension('2.5.29.15', '03020284', { critical: true }),
        ],
      }),
    code: 'wrong-use',
  },
  {
    what: 'the purpose of a server',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: [subjectAltName(subjectAltNameOf(aliceName)), ...usageExtensions('master')],
      }),
    code: 'wrong-use',
  },
  {
    what: 'a critical extension that nobody knows',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: [...honestExtensions(alice), extension('1.2.3.4', '0500', { critical: true })],
      }),
    code: 'wrong-use',
  },
  {
    what: 'its names twice',
    forge: () =>
      bed.forge({
        issuer: fra,
        extensions: [...honestExtensions(alice), names(ia5(2, aliceName))],
      }),
    code: 'malformed',
  },
  {
    what: 'an end in the past',
    forge: () => bed.issue(alice, { fromMs: bed.nowMs - 2 * hourMs, untilMs: bed.nowMs - hourMs }),
    code: 'expired',
  },
  {
    what: 'a start in the future',
    forge: () => bed.issue(alice, { fromMs: bed.nowMs + hourMs, untilMs: bed.nowMs + 2 * hourMs }),
    code: 'not-yet-valid',
  },
  {
    what: 'another member for an issuer',
    forge: async () => {
      const bob = await bed.issue(bed.member('fra', 'bob'));
      const issuer = { ...fra, name: new Name(), privateKey: bob.keyPair.privateKey };
      const extensions = honestExtensions(alice);
      return bed.forge({ issuer, extensions, intermediates: bob.chain.slice(0, 1) });
    },
    code: 'wrong-use',
  },
  {
    what: 'an unconstrained authority below the intermediate',
    forge: async () => {
      const options = { issuer: lhr, name: fraName, extensions: authorityUse };
      const issuer = await forgedAuthority(options);
      const intermediates = [issuer.certificatePem, lhr.certificatePem];
      return bed.forge({ issuer, extensions: honestExtensions(alice), intermediates });
    },
    code: 'malformed',
  },
  {
    what: 'an authority with wider constraints below the intermediate, which is not sent',
    forge: async () => {
      const extensions = [...authorityUse, constraintsOf(alice.subset)];
      const issuer = await forgedAuthority({ issuer: lhr, name: fraName, extensions });
      return bed.forge({ issuer, extensions: honestExtensions(alice) });
    },
    code: 'untrusted',
  },
  {
    what: 'another VPN',
    forge: async () => {
      const other = await CertificateBed.create('other');
      return other.issue(other.member('fra', 'alice'));
    },
    code: 'wrong-vpn',
  },
  {
    what: 'another VPN of the same name',
    forge: async () => (await CertificateBed.create()).issue(alice),
    code: 'untrusted',
  },
  {
    what: 'another VPN of the same name, with this one’s intermediate',
    forge: async () => {
      const { chain, keyPair } = await (await CertificateBed.create()).issue(alice);
      return { chain: [...chain.slice(0, 1), fra.certificatePem], keyPair };
    },
    code: 'untrusted',
  },
];

for (const { what, forge, code, claims = alice } of forgeries) {
  test(`a certificate with ${what} is refused, by the check and by TLS with the leaf’s reading`, async () => {
    const client = await forge();
    const check = { chain: client.chain, expected: claims };
    await assert.rejects(verify(check), { name: 'TrustError', code });
    const { atServer } = await handshake({ server: master, client, root: bed.root.certificatePem });
    assert.equal(atServer.authorized && canBeRead(atServer.certificate), false);
  });
}

/**
 * Only the holder of the root's key can make these, so TLS is not asked: it takes them. They would
 * be the accident of an operator, and the check refuses them all the same.
 */
const mistakesOfTheRoot: readonly ForgeryCase[] = [
  {
    what: 'an intermediate without constraints',
    forge: () => byIntermediate(authorityUse),
    code: 'wrong-use',
  },
  {
    what: 'an intermediate whose constraints are not critical',
    forge: () => byIntermediate([...authorityUse, constraintsOf(alice.subset, false)]),
    code: 'wrong-use',
  },
  {
    what: 'an intermediate that is constrained to another subset than it names',
    forge: () => byIntermediate([...authorityUse, constraintsOf(bed.member('lhr', 'x').subset)]),
    code: 'wrong-use',
  },
  {
    what: 'an intermediate that may stand above others',
    forge: () =>
      byIntermediate([
        extension('2.5.29.19', extensionValue.rootBasicConstraints, { critical: true }),
        ...authorityUse.slice(1),
        constraintsOf(alice.subset),
      ]),
    code: 'wrong-use',
  },
  {
    what: 'no intermediate at all',
    forge: () =>
      bed.forge({ issuer: bed.root, extensions: honestExtensions(alice), intermediates: [] }),
    code: 'wrong-use',
  },
];

async function byIntermediate(extensions: readonly Extension[]): Promise<Credentials> {
  const issuer = await forgedAuthority({ issuer: bed.root, name: fraName, extensions });
  return bed.forge({ issuer, extensions: honestExtensions(alice) });
}

for (const { what, forge, code } of mistakesOfTheRoot) {
  test(`a member under ${what} is refused by the check`, async () => {
    const { chain } = await forge();
    await assert.rejects(verify({ chain }), { name: 'TrustError', code });
  });
}

test('the bed’s forgeries fail for what is wrong with them: the honest twin is accepted', async () => {
  const client = await bed.forge({ issuer: fra, extensions: honestExtensions(alice) });
  assert.deepEqual((await verify({ chain: client.chain })).identity, alice);
  const { atServer } = await handshake({ server: master, client, root: bed.root.certificatePem });
  assert.ok(atServer.authorized && canBeRead(atServer.certificate));
});

function verify(check: Partial<ChainCheck> & Pick<ChainCheck, 'chain'>) {
  const { nowMs } = bed;
  return verifyChain({ root: bed.root.certificatePem, nowMs, expected: alice, ...check });
}

function canBeRead(certificate: X509Certificate): boolean {
  try {
    identityOfLeaf(certificate);
    return true;
  } catch (error) {
    assert.ok(error instanceof TrustError);
    return false;
  }
}
