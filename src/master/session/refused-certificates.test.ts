import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  CertificateBed,
  type Credentials,
  honestExtensions,
  hourMs,
  subjectAltName,
  usageExtensions,
} from '../../../test/support/certificate-bed.ts';
import { rootOf, stolenAuthority } from '../../../test/support/forger.ts';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { SessionNode } from '../../../test/support/session-client.ts';
import { type Identity, parseMemberName, parseSubsetName } from '../../model/names.ts';
import { contextTag, derTag, encodeDer } from '../../trust/der.ts';
import { createSelfSigned } from '../../trust/self-signed-certificate.ts';
import { distinguishedName } from '../../trust/signed-certificate.ts';

let bed: MasterBed;
let elbe: RunningMaster;
/** Another VPN that has taken the same name. */
let impostor: CertificateBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['spree'] } });
  [elbe, impostor] = await Promise.all([
    RunningMaster.start(bed, 'elbe'),
    CertificateBed.create('corp'),
  ]);
});
after(async () => {
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

function member(subset: string, name: string): Identity {
  const parsed = { subset: parseSubsetName(subset), name: parseMemberName(name) };
  return { kind: 'member', vpn: bed.vpn.name, ...parsed };
}

/** What the master answers to whoever shows the certificate, and under which code it counts it. */
async function refusalOf(credentials: Credentials, countedAs: string): Promise<string> {
  const before = await elbe.refused(countedAs);
  await using session = await new SessionNode('mallory', credentials).resume(elbe.endpoint);
  const refused = await session.expect('refused');
  assert.deepEqual(await session.close(), { code: 1_008, reason: refused.code });
  assert.equal(await elbe.refused(countedAs), before + 1, `counted as ${countedAs}`);
  assert.deepEqual(session.messages, []);
  return refused.message;
}

test('a certificate that the root of another VPN of the same name leads to is refused', async () => {
  const credentials = await impostor.issue(impostor.member('hamburg', 'mallory'));
  assert.match(await refusalOf(credentials, 'untrusted'), /does not lead to the root of this VPN/);
});

test('a certificate of another VPN is refused by name', async () => {
  const issuer = await rootOf(bed);
  const identity = { ...impostor.operator('mallory'), vpn: 'other' as typeof bed.vpn.name };
  const forged = await impostor.forge({
    issuer,
    extensions: honestExtensions(identity),
    intermediates: [],
  });
  assert.match(await refusalOf(forged, 'wrong-vpn'), /is for the VPN other, this is corp/);
});

test('a certificate with a common name only is refused', async () => {
  const forged = await impostor.forge({
    issuer: await stolenAuthority(bed, 'hamburg', 'elbe'),
    subject: distinguishedName(['2.5.4.3', 'mallory.hamburg.corp.hanse.internal']),
    extensions: usageExtensions('member'),
  });
  assert.match(await refusalOf(forged, 'no-name'), /a CN is not enough/);
});

test('a certificate with another name beside its own is refused', async () => {
  const names = encodeDer(
    derTag.sequence,
    encodeDer(contextTag(2, 'primitive'), Buffer.from('mallory.hamburg.corp.hanse.internal')),
    encodeDer(contextTag(7, 'primitive'), Buffer.of(127, 0, 0, 1)),
  );
  const forged = await impostor.forge({
    issuer: await stolenAuthority(bed, 'hamburg', 'elbe'),
    extensions: [subjectAltName(names), ...usageExtensions('member')],
  });
  const message = await refusalOf(forged, 'extra-name');
  assert.match(message, /one DNS name and no other name/);
});

test('a leaf of another subset, minted with this subset’s stolen authority, is refused', async () => {
  const forged = await impostor.forge({
    issuer: await stolenAuthority(bed, 'hamburg', 'elbe'),
    extensions: honestExtensions(member('berlin', 'mallory')),
  });
  const message = await refusalOf(forged, 'wrong-subset');
  assert.match(message, /expected berlin, but the certificate is for an authority of hamburg/);
});

test('an honest member of a subset that this master does not govern is sent to the right one', async () => {
  const forged = await impostor.forge({
    issuer: await stolenAuthority(bed, 'berlin', 'spree'),
    extensions: honestExtensions(member('berlin', 'paula')),
  });
  assert.match(await refusalOf(forged, 'wrong-master'), /berlin is governed by spree: ask there/);
});

test('a leaf minted with a stolen authority is good for nothing while its name is not in the roll', async () => {
  const forged = await impostor.forge({
    issuer: await stolenAuthority(bed, 'hamburg', 'elbe'),
    extensions: honestExtensions(member('hamburg', 'mallory')),
  });
  assert.match(await refusalOf(forged, 'not-a-member'), /mallory is not in the roll of hamburg/);
});

test('a leaf with the name of a member and another key is not that member', async () => {
  const { token } = await invite(bed, 'hamburg');
  const { session } = await new SessionNode('anna').join(elbe.endpoint, token);
  await using _ = session;
  const forged = await impostor.forge({
    issuer: await stolenAuthority(bed, 'hamburg', 'elbe'),
    extensions: honestExtensions(member('hamburg', 'anna')),
  });
  assert.match(await refusalOf(forged, 'not-a-member'), /anna is not in the roll of hamburg/);
  assert.equal(session.closed, undefined);
});

test('a certificate that has run out may be renewed, and nothing else', async () => {
  const { token } = await invite(bed, 'hamburg');
  const node = new SessionNode('berta');
  const { session } = await node.join(elbe.endpoint, token);
  await session[Symbol.asyncDispose]();
  const expired = await impostor.forge({
    issuer: await stolenAuthority(bed, 'hamburg', 'elbe'),
    keyPair: node.keyPair,
    extensions: honestExtensions(member('hamburg', 'berta')),
    period: { fromMs: Date.now() - hourMs, untilMs: Date.now() - 1_000 },
  });
  assert.match(await refusalOf(expired, 'not-a-member'), /has expired: renew it first/);
  await using again = await new SessionNode('berta', expired).connect(elbe.endpoint);
  again.send({ type: 'renew' });
  const { chain } = await again.expect('renewed');
  await using resumed = await new SessionNode('berta', { ...expired, chain }).resume(elbe.endpoint);
  await resumed.expect('view');
});

test('an expired certificate of another VPN is refused for what is worse', async () => {
  const period = { fromMs: Date.now() - 2 * hourMs, untilMs: Date.now() - hourMs };
  const intermediate = await impostor.intermediate('hamburg');
  const credentials = await impostor.forge({
    issuer: intermediate,
    extensions: honestExtensions(member('hamburg', 'mallory')),
    period,
  });
  // As of its last moment its issuer was not valid yet, or not trusted: either way it is no renewal.
  const node = new SessionNode('mallory', credentials);
  await using session = await node.connect(elbe.endpoint);
  session.send({ type: 'renew' });
  assert.equal((await session.expect('refused')).code, 'not-a-member');
});

test('certificates of operators and masters are no members’', async () => {
  const issuer = await rootOf(bed);
  for (const kind of ['operator', 'master'] as const) {
    const credentials = await impostor.forge({
      issuer,
      extensions: honestExtensions(impostor[kind]('mallory')),
      intermediates: [],
    });
    assert.match(
      await refusalOf(credentials, 'not-a-member'),
      new RegExp(`no member but a ${kind}`),
    );
  }
});

test('a stranger without an invite is refused', async () => {
  const { keyPair } = new SessionNode('mallory');
  const message = await refusalOf({ keyPair, chain: [createSelfSigned(keyPair)] }, 'not-a-member');
  assert.match(message, /not of this VPN: join with an invite first/);
});

test('a stranger’s key that no certificate could be made for is refused before it uses an invite', async () => {
  const keyPair = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const before = await elbe.refused('malformed');
  const node = new SessionNode('mallory', { keyPair, chain: [createSelfSigned(keyPair)] });
  await using session = await node.connect(elbe.endpoint);
  assert.match((await session.expect('refused')).message, /expected P-256/);
  assert.equal(await elbe.refused('malformed'), before + 1);
});
