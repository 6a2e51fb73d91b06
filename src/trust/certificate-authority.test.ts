import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { AsnConvert } from '@peculiar/asn1-schema';
import { NameConstraints } from '@peculiar/asn1-x509';
import { blocksOf, CertificateBed, hourMs, spkiOf } from '../../test/support/certificate-bed.ts';
import { handshake } from '../../test/support/tls-handshake.ts';
import { addressesAt } from '../core/addressing.ts';
import { clockSkewMs } from '../model/clock-skew.ts';
import { InvalidInputError } from '../model/error.ts';
import { parseMasterName, parseSubsetName, parseVpnName } from '../model/names.ts';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import { createIssuer, issueIntermediate, issueLeaf } from './certificate-authority.ts';
import { rootFingerprint, verifyChain } from './certificate-check.ts';
import { nameConstraintsOf } from './certificate-profile.ts';
import { identityKeyOf, identityOfLeaf } from './leaf-certificate.ts';
import { createIdentityKeyPair, createSelfSigned } from './self-signed-certificate.ts';
import { TrustError } from './trust-error.ts';
import { createWireguardKeyPair } from './wireguard-keys.ts';

const bed = await CertificateBed.create();
const rootPem = bed.root.certificatePem;
const lhr = {
  issuer: await bed.intermediate('lhr'),
  blocks: blocksOf(1),
  addresses: addressesAt(blocksOf(1), 2),
};

test('a member and its master know each other after a TLS handshake', async () => {
  const member = bed.member('fra', 'alice');
  const master = bed.master('fra-1');
  const client = await bed.issue(member);
  const { atServer, atClient } = await handshake({
    server: await bed.issue(master),
    client,
    root: rootPem,
  });
  assert.equal(atServer.fault, undefined);
  assert.equal(atClient.fault, undefined);
  const seen = identityOfLeaf(atServer.certificate);
  assert.deepEqual(seen.identity, member);
  assert.equal(seen.publicKeySpkiSha256, identityKeyOf(spkiOf(client.keyPair.publicKey)));
  assert.deepEqual(identityOfLeaf(atClient.certificate).identity, master);
});

test('two masters authenticate each other, whichever of them calls', async () => {
  const [a, b] = [await bed.issue(bed.master('a')), await bed.issue(bed.master('b'))];
  for (const [server, client] of [
    [a, b],
    [b, a],
  ] as const) {
    const { atServer, atClient } = await handshake({ server, client, root: rootPem });
    assert.deepEqual([atServer.fault, atClient.fault], [undefined, undefined]);
  }
});

test('an operator is let in as a client, and carries no WireGuard keys', async () => {
  const client = await bed.issue(bed.operator('ada'));
  const server = await bed.issue(bed.master('fra-1'));
  const { atServer } = await handshake({ server, client, root: rootPem });
  assert.equal(atServer.fault, undefined);
  const leaf = identityOfLeaf(atServer.certificate);
  assert.deepEqual([leaf.identity, leaf.wireguardKeys], [bed.operator('ada'), {}]);
});

test('neither a member nor an operator can pose as a server', async () => {
  for (const identity of [bed.member('fra', 'alice'), bed.operator('ada')]) {
    const server = await bed.issue(identity);
    const client = await bed.issue(bed.member('fra', 'bob'));
    const { atClient } = await handshake({ server, client, root: rootPem });
    assert.equal(atClient.fault, 'INVALID_PURPOSE');
  }
});

test('a self-signed certificate proves a key in the handshake and nothing else', async () => {
  const keyPair = createIdentityKeyPair();
  const { atServer } = await handshake({
    server: await bed.issue(bed.master('fra-1')),
    client: { chain: [createSelfSigned(keyPair)], keyPair },
    root: rootPem,
  });
  assert.equal(atServer.authorized, false);
  const spki = spkiOf(atServer.certificate.publicKey);
  assert.equal(identityKeyOf(spki), identityKeyOf(spkiOf(keyPair.publicKey)));
  assert.throws(() => identityOfLeaf(atServer.certificate), TrustError);
});

test('an issued chain passes the check and gives back what was put in', async () => {
  const identity = bed.member('lhr', 'carol');
  const keyPair = createIdentityKeyPair();
  const wireguardKeys = { acting: createWireguardKeyPair().publicKey };
  const subjectPublicKey = spkiOf(keyPair.publicKey);
  const period = bed.period;
  const { issuer, blocks, addresses } = lhr;
  const leaf = await issueLeaf({
    ...{ identity, subjectPublicKey, wireguardKeys, addresses, issuer, period },
  });
  const checked = await verifyChain({
    chain: [leaf, issuer.certificatePem],
    root: rootPem,
    nowMs: bed.nowMs,
    expected: identity,
  });
  const said = {
    ...{ identity, wireguardKeys, addresses },
    publicKeySpki: subjectPublicKey,
    publicKeySpkiSha256: identityKeyOf(subjectPublicKey),
    notAfterMs: Math.floor(period.untilMs / 1_000) * 1_000,
  };
  assert.deepEqual(checked, { ...said, blocks });
  assert.deepEqual(identityOfLeaf(leaf), said);
});

test('addresses are those of a member of the subset, and nobody else has any', async () => {
  const subjectPublicKey = spkiOf(createIdentityKeyPair().publicKey);
  const { addresses } = lhr;
  const common = { subjectPublicKey, wireguardKeys: {}, period: bed.period };
  const ipv6 = parseAddress('fd12:3456:789a:3::2');
  for (const leaf of [
    { identity: bed.member('lhr', 'carol'), issuer: lhr.issuer, addresses: { ...addresses, ipv6 } },
    { identity: bed.operator('ada'), issuer: bed.root, addresses },
    { identity: bed.master('lhr-1'), issuer: bed.root, addresses },
  ]) {
    await assert.rejects(issueLeaf({ ...common, ...leaf }), InvalidInputError);
  }
});

test('an authority that follows another one has its key, and so what the former has signed stays good', async () => {
  const { blocks, issuer } = lhr;
  const [subset, master] = [parseSubsetName('lhr'), parseMasterName('lhr-1')];
  const { vpn, root, period } = bed;
  const privateKeyPem = issuer.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const grown = { ...blocks, ipv4Blocks: [...blocks.ipv4Blocks, parsePrefix('100.70.0.0/20')] };
  const next = createIssuer(
    await issueIntermediate({ vpn, subset, master, blocks: grown, root, period, privateKeyPem }),
  );
  assert.deepEqual(next.scope, { ...issuer.scope, blocks: grown });
  const { chain } = await bed.issue(bed.member('lhr', 'carol'));
  const check = { root: rootPem, nowMs: bed.nowMs, expected: 'member' } as const;
  const checked = await verifyChain({ ...check, chain: [chain[0] ?? '', next.certificatePem] });
  assert.deepEqual(checked.blocks, grown);
});

test('certificates start earlier than now by the clock skew that is allowed for', async () => {
  const { chain } = await bed.issue(bed.member('fra', 'alice'));
  const startMs = new X509Certificate(chain[0] ?? '').validFromDate.getTime();
  assert.equal(startMs, Math.floor((bed.nowMs - clockSkewMs) / 1_000) * 1_000);
});

test('serial numbers are 16 bytes long and differ', async () => {
  const serials = new Set<string>();
  for (let index = 0; index < 50; index++) {
    const { chain } = await bed.issue(bed.member('fra', 'alice'));
    const { serialNumber } = new X509Certificate(chain[0] ?? '');
    assert.equal(serialNumber.length, 32);
    serials.add(serialNumber);
  }
  assert.equal(serials.size, 50);
});

test('the name constraints are what the ASN.1 library reads them to be', () => {
  const der = nameConstraintsOf(parseVpnName('hansa'), parseSubsetName('fra'));
  const constraints = AsnConvert.parse(der, NameConstraints);
  const permitted = [...(constraints.permittedSubtrees ?? [])].map(({ base }) => base);
  assert.equal(permitted[0]?.dNSName, '.fra.hansa.hanse.internal');
  assert.equal(permitted[1]?.rfc822Name, 'nobody.invalid');
  assert.equal(permitted[2]?.uniformResourceIdentifier, 'nobody.invalid');
  assert.equal(permitted[3]?.directoryName?.[0]?.[0]?.value.toString(), 'nobody');
  assert.equal(permitted.length, 4);
  const excluded = [...(constraints.excludedSubtrees ?? [])].map(({ base }) => base.iPAddress);
  assert.equal(excluded.length, 2);
  assert.deepEqual(Buffer.from(AsnConvert.serialize(constraints)), Buffer.from(der));
});

test('an authority refuses what it is not the authority for', async () => {
  const fra = await bed.intermediate('fra');
  const other = await CertificateBed.create('other');
  const cases = [
    { identity: bed.member('lhr', 'alice'), issuer: fra },
    { identity: bed.member('fra', 'alice'), issuer: bed.root },
    { identity: bed.master('m1'), issuer: fra },
    { identity: bed.operator('ada'), issuer: fra },
    { identity: other.master('m1'), issuer: bed.root },
  ];
  for (const { identity, issuer } of cases) {
    const subjectPublicKey = spkiOf(createIdentityKeyPair().publicKey);
    const options = { identity, subjectPublicKey, wireguardKeys: {}, issuer, period: bed.period };
    await assert.rejects(issueLeaf(options), InvalidInputError);
  }
  const intermediate = { subset: parseSubsetName('fra'), master: parseMasterName('m1') };
  for (const [vpn, root] of [
    [bed.vpn, fra],
    [other.vpn, bed.root],
  ] as const) {
    await assert.rejects(
      issueIntermediate({ ...intermediate, vpn, blocks: blocksOf(1), root, period: bed.period }),
      InvalidInputError,
    );
  }
});

test('nothing is issued that outlives its authority or ends before it starts', async () => {
  const { notAfterMs } = bed.root;
  for (const period of [
    { fromMs: bed.nowMs, untilMs: notAfterMs + 1_000 },
    { fromMs: bed.nowMs, untilMs: bed.nowMs },
    { fromMs: bed.nowMs, untilMs: Number.NaN },
  ]) {
    await assert.rejects(bed.issue(bed.master('m1'), period), InvalidInputError);
  }
});

test('keys that are not on P-256, or not on the curve at all, are not certified', async () => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
  const offCurve = Buffer.from(spkiOf(createIdentityKeyPair().publicKey));
  offCurve[offCurve.length - 1] = (offCurve.at(-1) ?? 0) ^ 1;
  for (const subjectPublicKey of [spkiOf(p384), offCurve, Buffer.from('nonsense')]) {
    const options = { identity: bed.master('m1'), subjectPublicKey, wireguardKeys: {} };
    await assert.rejects(issueLeaf({ ...options, issuer: bed.root, period: bed.period }), {
      name: 'TrustError',
      code: 'malformed',
    });
  }
});

test('an issuer needs the key of its own certificate', async () => {
  const fra = await bed.intermediate('fra');
  const otherKey = createIdentityKeyPair().privateKey.export({ type: 'pkcs8', format: 'pem' });
  const { certificatePem } = fra;
  for (const privateKeyPem of [otherKey.toString(), 'nonsense']) {
    assert.throws(() => createIssuer({ certificatePem, privateKeyPem }), TrustError);
  }
  const { chain, keyPair } = await bed.issue(bed.master('m1'));
  const privateKeyPem = keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  assert.throws(() => createIssuer({ certificatePem: chain[0] ?? '', privateKeyPem }), {
    code: 'wrong-use',
  });
});

test('a root that ends after 2049 works, though X.509 then writes its time otherwise', async () => {
  const late = await CertificateBed.create('late', Date.UTC(2045, 0, 1));
  const identity = late.member('fra', 'alice');
  const { chain } = await late.issue(identity, {
    fromMs: late.nowMs,
    untilMs: late.nowMs + hourMs,
  });
  const check = { chain, root: late.root.certificatePem, nowMs: late.nowMs, expected: identity };
  assert.deepEqual((await verifyChain(check)).identity, identity);
});

test('the fingerprint is SHA-256 of the root’s DER, and only a root has one', async () => {
  const { fingerprint256 } = new X509Certificate(rootPem);
  const hex = Buffer.from(rootFingerprint(rootPem), 'base64url').toString('hex').toUpperCase();
  assert.equal(hex, fingerprint256.replaceAll(':', ''));
  const intermediate = (await bed.intermediate('fra')).certificatePem;
  assert.throws(() => rootFingerprint(intermediate), { code: 'wrong-use' });
  assert.throws(() => rootFingerprint('nonsense'), { code: 'malformed' });
});
