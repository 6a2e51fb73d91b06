import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateBed, hourMs } from '../../test/support/certificate-bed.ts';
import { InvalidInputError } from '../model/error.ts';
import { parseSubsetName } from '../model/names.ts';
import { identityKeySchema } from '../model/records/parts.ts';
import {
  createPlacementClaim,
  type PlacementClaim,
  verifyPlacementClaim,
} from './placement-claim.ts';
import { TrustError } from './trust-error.ts';

const bed = await CertificateBed.create();
const { vpn, nowMs } = bed;
const home = await bed.intermediate('home');
const verification = { vpn, rootCertificate: bed.root.certificatePem, nowMs };
const claim: PlacementClaim = {
  home: parseSubsetName('home'),
  subset: parseSubsetName('fra'),
  inviteId: '0b9f9e0e-7d0c-4e0a-8f43-5a1c2d3e4f50',
  use: 3,
  turn: 2,
  identityKey: identityKeySchema.parse('k'.repeat(43)),
  expiresAtMs: Math.floor(nowMs / 1_000) * 1_000 + hourMs,
};

test('a claim says what it was made of, and who signed it, to masters that have nothing but the root', async () => {
  const text = await createPlacementClaim(claim, home);
  assert.match(text, /^hanse-claim_/);
  assert.ok(text.length < 2_048, `${text.length} characters`);
  const signer = home.scope.kind === 'subset' ? home.scope.master : undefined;
  assert.deepEqual(await verifyPlacementClaim(text, verification), { ...claim, signer });
});

test('no changed character of a claim is verified', async () => {
  const text = await createPlacementClaim(claim, home);
  for (let index = 0; index < text.length; index += 29) {
    const other = text[index] === 'A' ? 'B' : 'A';
    const changed = `${text.slice(0, index)}${other}${text.slice(index + 1)}`;
    await assert.rejects(verifyPlacementClaim(changed, verification), TrustError);
  }
});

test('an authority speaks for its own subset only', async () => {
  await assert.rejects(
    createPlacementClaim(claim, await bed.intermediate('fra')),
    InvalidInputError,
  );
  const thief = { ...(await bed.intermediate('fra')), scope: home.scope };
  const forged = await createPlacementClaim(claim, thief);
  await assert.rejects(verifyPlacementClaim(forged, verification), { code: 'forged' });
});

test('claims of another VPN are told apart, also of one with the same name', async () => {
  const other = await CertificateBed.create('other');
  const otherClaim = await createPlacementClaim(claim, await other.intermediate('home'));
  await assert.rejects(verifyPlacementClaim(otherClaim, verification), { code: 'wrong-vpn' });
  const twin = await CertificateBed.create();
  const twinClaim = await createPlacementClaim(claim, await twin.intermediate('home'));
  await assert.rejects(verifyPlacementClaim(twinClaim, verification), { code: 'untrusted' });
});

test('what is no claim is said to be none, an invite token among it', async () => {
  for (const text of [
    '',
    'hanse_a.b.c',
    'hanse-claim_a.b',
    'hanse-claim_a.b.c',
    'x'.repeat(9_000),
  ]) {
    await assert.rejects(verifyPlacementClaim(text, verification), { code: 'malformed' });
  }
});
