import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { CertificateBed, hourMs } from '../../../test/support/certificate-bed.ts';
import { earlierAuthority } from '../../../test/support/earlier-authority.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { parseAddress, parsePrefix } from '../../model/prefix.ts';
import { wireguardPublicKeySchema } from '../../model/wireguard-key.ts';
import type { MemberAddresses } from '../../trust/member-addresses.ts';
import {
  checkIntroduction,
  type IntroductionFacts,
  type TrustedPeer,
} from './introduction-check.ts';

const key = (byte: number) =>
  wireguardPublicKeySchema.parse(Buffer.alloc(32, byte).toString('base64'));

const ofWest = { ipv4: parseAddress('100.65.0.3'), ipv6: parseAddress('fd12:3456:789a:2::3') };

let bed: CertificateBed;
let honest: Parameters<typeof checkIntroduction>[0];
let facts: IntroductionFacts;

before(async () => {
  bed = await CertificateBed.create();
  const { chain } = await bed.issue(bed.member('east', 'bela'));
  await bed.intermediate('west');
  honest = {
    name: parseMemberName('bela'),
    chain: [...chain],
    ipv4: parseAddress('100.64.0.3'),
    ipv6: parseAddress('fd12:3456:789a:1::3'),
    candidates: ['192.0.2.7:40001', '[2001:db8::7]:40001'],
  };
  const { subset, name, vpn } = bed.member('east', 'anna');
  facts = {
    place: {
      vpn: {
        ...{ name: vpn, id: '00c0ffee', keying: 'per-subset' },
        prefixes: [parsePrefix('fd12:3456:789a::/48'), parsePrefix('100.64.0.0/10')],
      },
      ...{ subset, name },
      ipv4: parseAddress('100.64.0.2'),
      ipv6: parseAddress('fd12:3456:789a:1::2'),
    },
    rootCertificate: bed.root.certificatePem,
    ...{ ownKey: key(1), haveOneKey: false, masterKeys: [], others: [], nowMs: bed.nowMs },
  };
});

const check = (
  changes: Partial<typeof honest>,
  known: Partial<IntroductionFacts> = {},
): Promise<TrustedPeer> => checkIntroduction({ ...honest, ...changes }, { ...facts, ...known });

const refused =
  (problem: RegExp) => (error: { readonly code?: string; readonly message: string }) =>
    error.code === 'untrusted-peer' && problem.test(error.message);

test('an honest introduction names a peer and its certificate’s end', async () => {
  const peer = await check({});
  assert.equal(peer.name, 'bela');
  assert.equal(peer.endsAtMs, Math.floor((bed.nowMs + hourMs) / 1_000) * 1_000);
});

test('a chain to another root is refused', async () => {
  const other = await CertificateBed.create();
  const { chain } = await other.issue(other.member('east', 'bela'));
  await assert.rejects(check({ chain: [...chain] }), refused(/does not lead to the root/));
});

test('a member of another subset is refused', async () => {
  const { chain } = await bed.issue(bed.member('west', 'bela'));
  await assert.rejects(check({ chain: [...chain] }), refused(/west/));
});

/** Of another subset, in a /64 of its own. */
async function western(bound: MemberAddresses = ofWest) {
  const { chain } = await bed.issue(bed.member('west', 'bela'), bed.period, bound);
  return { chain: [...chain], subset: parseSubsetName('west'), ...ofWest };
}

const shared = { haveOneKey: true };

test('a member of another subset is a peer where all have one key, and nowhere else', async () => {
  const bela = await western();
  const { subset, ipv6 } = await check(bela, shared);
  assert.deepEqual([subset, ipv6], ['west', 'fd12:3456:789a:2::3']);
  await assert.rejects(check(bela), refused(/of west, whose members have another key/));
});

test('the subset is the certificate’s, whatever the master says', async () => {
  const { chain, ...place } = await western();
  const east = check({ ...place, chain: honest.chain }, shared);
  await assert.rejects(east, refused(/west/));
  await assert.rejects(check({ chain }, shared), refused(/west/));
});

test('a member of another subset has no address in the own subset’s block', async () => {
  const bela = { ...(await western()), ipv6: parseAddress('fd12:3456:789a:1::3') };
  await assert.rejects(check(bela, shared), refused(/another subset/));
});

test('where all have one key, only what the certificate proves is believed of addresses', async () => {
  const bela = await western();
  for (const lie of [
    { ipv4: parseAddress('100.65.0.4') },
    { ipv4: parseAddress('100.64.0.9') },
    { ipv6: parseAddress('fd12:3456:789a:2::4') },
    { ipv6: parseAddress('fd12:3456:789a:3::3') },
  ]) {
    await assert.rejects(check({ ...bela, ...lie }, shared), refused(/not those of its certif/));
  }
});

test('an address that an authority certifies out of another subset’s blocks is not believed', async () => {
  for (const ipv4 of ['100.64.0.9', '100.90.0.3', '100.65.8.3', '100.65.0.4'].map(parseAddress)) {
    const addresses = { ...ofWest, ipv4 };
    const bela = { ...(await western(addresses)), ...addresses };
    await assert.rejects(check(bela, shared), refused(/not of the blocks that the root gave/));
  }
});

test('a certificate that binds nothing, or an authority that does not, is no proof where all have one key', async () => {
  const { chain } = await bed.issue(bed.member('west', 'bela'));
  const bela = await western();
  await assert.rejects(
    check({ ...bela, chain: [...chain] }, shared),
    refused(/binds no addresses/),
  );
  await assert.rejects(check({}, shared), refused(/binds no addresses/));
  const earlier = await earlierAuthority(await bed.intermediate('west'), bed.root);
  const under = { ...bela, chain: [bela.chain[0] ?? '', earlier.certificatePem] };
  await assert.rejects(check(under, shared), refused(/binds no address blocks/));
});

test('where subsets have keys of their own a certificate may say nothing, and nothing else than its master', async () => {
  const { ipv4, ipv6 } = honest;
  const ofEast = async (addresses: MemberAddresses) => {
    const { chain } = await bed.issue(bed.member('east', 'bela'), bed.period, addresses);
    return { chain: [...chain] };
  };
  assert.ok(await check(await ofEast({ ipv4, ipv6 })));
  const other = await ofEast({ ipv4: parseAddress('100.64.0.4'), ipv6 });
  await assert.rejects(check(other), refused(/not those of its certificate/));
  // IPv4 blocks grow without the root.
  const grown = {
    ipv4: parseAddress('100.80.0.3'),
    ipv6: parseAddress('fd12:3456:789a:1:0:1:0:3'),
  };
  assert.ok(await check({ ...(await ofEast(grown)), ...grown }));
});

test('a name that is not the certificate’s is refused', async () => {
  await assert.rejects(check({ name: parseMemberName('carl') }), refused(/expected carl/));
});

test('a master’s certificate is no member’s', async () => {
  const { chain } = await bed.issue(bed.master('bela'));
  await assert.rejects(check({ chain: [...chain] }), refused(/certificate is for/));
});

test('a certificate that has ended is refused', async () => {
  const late = { nowMs: bed.nowMs + 2 * hourMs };
  await assert.rejects(check({}, late), refused(/expired/));
});

test('the own key and the keys of masters are nobody else’s', async () => {
  const { publicKey } = await check({});
  await assert.rejects(check({}, { ownKey: publicKey }), refused(/key of this member/));
  await assert.rejects(check({}, { masterKeys: [publicKey] }), refused(/key of a master/));
});

test('addresses that no other member of the subset can have are refused', async () => {
  const ipv4 = (text: string) => check({ ipv4: parseAddress(text) });
  const ipv6 = (text: string) => check({ ipv6: parseAddress(text) });
  await assert.rejects(ipv4('192.0.2.1'), refused(/not of this VPN/));
  await assert.rejects(ipv6('2001:db8::3'), refused(/not of this VPN/));
  await assert.rejects(ipv6('fd12:3456:789a:2::3'), refused(/another subset/));
  await assert.rejects(ipv6('fd12:3456:789a:1::1'), refused(/no member can have/));
  await assert.rejects(ipv6('fd12:3456:789a:1:1::3'), refused(/no member can have/));
  await assert.rejects(ipv6('fd12:3456:789a:1::8000:3'), refused(/no member can have/));
  await assert.rejects(ipv4('100.64.0.2'), refused(/address of this member/));
  await assert.rejects(ipv6('fd12:3456:789a:1::2'), refused(/address of this member/));
  await assert.rejects(ipv4('fd12:3456:789a:1::3'), refused(/wrong kinds/));
});

test('an address belongs to whoever has it first', async () => {
  const { ipv4, ipv6 } = honest;
  const other = { publicKey: key(7), ipv4, ipv6: parseAddress('fd12:3456:789a:1::9') };
  await assert.rejects(check({}, { others: [other] }), refused(/another peer has its address/));
  const same = { publicKey: (await check({})).publicKey, ipv4, ipv6 };
  assert.ok(await check({}, { others: [same] }));
});

test('a candidate is a numeric address outside of the VPN', async () => {
  for (const candidate of ['999.1.1.1:1', '192.0.2.7:70000', '[:::1]:5', '192.0.2.7:0']) {
    await assert.rejects(check({ candidates: [candidate] }), refused(/no address and port/));
  }
  await assert.rejects(check({ candidates: ['100.64.0.9:5'] }), refused(/within the VPN/));
});
