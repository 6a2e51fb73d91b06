import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateBed, spkiOf } from '../../test/support/certificate-bed.ts';
import { parseAddress, parsePrefix } from '../model/prefix.ts';
import { verifyChain } from '../trust/certificate-check.ts';
import { identityKeyOf } from '../trust/leaf-certificate.ts';
import type { MemberAddresses } from '../trust/member-addresses.ts';
import { checkOwnChain } from './own-chain.ts';

const bed = await CertificateBed.create();
const anna = bed.member('east', 'anna');
const own = { ipv4: parseAddress('100.64.0.2'), ipv6: parseAddress('fd12:3456:789a:1::2') };

/** What a master gave anna, of which it said that she has her own addresses. */
async function given(addresses?: MemberAddresses, identity = anna) {
  const { chain, keyPair } = await bed.issue(identity, bed.period, addresses);
  const rootCertificate = bed.root.certificatePem;
  const { nowMs } = bed;
  const { wireguardKeys } = await verifyChain({
    ...{ chain, root: rootCertificate, nowMs, expected: 'member' },
  });
  const { vpn: name, subset, name: member } = anna;
  const vpn = { name, id: '00c0ffee', keying: 'shared' as const };
  const place = { vpn: { ...vpn, prefixes: [parsePrefix('fd12:3456:789a::/48')] }, subset };
  const facts = {
    place: { ...place, name: member, ...own },
    identityKey: identityKeyOf(spkiOf(keyPair.publicKey)),
    wireguardKey: wireguardKeys['acting'] ?? assert.fail('a member has a key'),
    ...{ rootCertificate, nowMs },
  };
  return { chain, facts };
}

const refused = (problem: RegExp) => ({ code: 'bad-message', retryable: true, message: problem });

test('a member takes a certificate that binds its addresses, or none as those of an earlier version', async () => {
  for (const { chain, facts } of [await given(own), await given()]) {
    await checkOwnChain(chain, facts);
  }
});

test('a certificate for other addresses than the member was given is not its own', async () => {
  for (const other of [
    { ...own, ipv4: parseAddress('100.64.0.3') },
    { ...own, ipv6: parseAddress('fd12:3456:789a:1::3') },
  ]) {
    const { chain, facts } = await given(other);
    await assert.rejects(checkOwnChain(chain, facts), refused(/not those of its certificate/));
  }
});

test('nor is one for another name or another key', async () => {
  const { chain, facts } = await given(own, bed.member('east', 'bela'));
  await assert.rejects(checkOwnChain(chain, facts), refused(/expected anna/));
  const mine = await given(own);
  const { identityKey, wireguardKey } = facts;
  for (const [wrong, problem] of [
    [{ identityKey }, /another identity key/],
    [{ wireguardKey }, /another WireGuard key/],
  ] as const) {
    const check = checkOwnChain(mine.chain, { ...mine.facts, ...wrong });
    await assert.rejects(check, refused(problem));
  }
});
