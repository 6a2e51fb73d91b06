import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import {
  CertificateBed,
  type Forgery,
  honestExtensions,
  hourMs,
  subjectAltName,
  usageExtensions,
} from '../../test/support/certificate-bed.ts';
import { dnsNameOf } from '../model/names.ts';
import { contextTag, derTag, encodeDer } from './der.ts';
import { findPathFault } from './path-validation.ts';

const bed = await CertificateBed.create();
const fra = await bed.intermediate('fra');
const alice = bed.member('fra', 'alice');
const root = new X509Certificate(bed.root.certificatePem);
const intermediate = new X509Certificate(fra.certificatePem);

async function leafOf(forgery: Partial<Forgery>): Promise<X509Certificate> {
  const extensions = honestExtensions(alice);
  const { chain } = await bed.forge({ issuer: fra, extensions, ...forgery });
  return new X509Certificate(chain[0] ?? '');
}

const faultOf = (leaf: X509Certificate, nowMs = bed.nowMs) =>
  findPathFault([leaf, intermediate, root], nowMs);

test('an honest path has no fault, also when its authorities were parsed before', async () => {
  const leaf = await leafOf({});
  for (let round = 0; round < 3; round++) assert.equal(await faultOf(leaf), undefined);
});

test('PKI.js enforces names, signatures and validity by itself', async () => {
  const outside = await leafOf({ extensions: honestExtensions(bed.member('lhr', 'alice')) });
  assert.match((await faultOf(outside)) ?? '', /permitted/);
  const stranger = await leafOf({ issuer: { ...fra, privateKey: bed.root.privateKey } });
  assert.notEqual(await faultOf(stranger), undefined);
  const honest = await leafOf({});
  assert.notEqual(await faultOf(honest, bed.nowMs + 2 * hourMs), undefined);
  const otherRoot = new X509Certificate((await CertificateBed.create()).root.certificatePem);
  assert.notEqual(await findPathFault([honest, intermediate, otherRoot], bed.nowMs), undefined);
});

test('PKI.js lets a name outside pass beside one inside, which is why it is not the only check', async () => {
  const names = [alice, bed.member('lhr', 'bob')].map((identity) =>
    encodeDer(contextTag(2, 'primitive'), Buffer.from(dnsNameOf(identity))),
  );
  const extensions = [
    subjectAltName(encodeDer(derTag.sequence, ...names)),
    ...usageExtensions('member'),
  ];
  assert.equal(await faultOf(await leafOf({ extensions })), undefined);
});
