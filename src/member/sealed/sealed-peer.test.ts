import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { CertificateBed, hourMs } from '../../../test/support/certificate-bed.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { parseAddress } from '../../model/prefix.ts';
import {
  createGroupKey,
  createWireguardKeyPair,
  derivePresharedKey,
} from '../../trust/wireguard-keys.ts';
import type { TrustedPeer } from '../direct/introduction-check.ts';
import { validityOf } from '../validity.ts';
import { SealedPeer } from './sealed-peer.ts';

let bed: CertificateBed;
let trusted: TrustedPeer;
before(async () => {
  bed = await CertificateBed.create();
  trusted = await certified(hourMs);
});

const { publicKey } = createWireguardKeyPair();

/** Bela, by a certificate that is valid for so long. */
async function certified(lifetimeMs: number): Promise<TrustedPeer> {
  const period = { fromMs: bed.nowMs, untilMs: bed.nowMs + lifetimeMs };
  const { chain } = await bed.issue(bed.member('west', 'bela'), period);
  return {
    ...{ publicKey, name: parseMemberName('bela'), subset: parseSubsetName('west'), chain },
    ...{ ipv4: parseAddress('100.65.0.3'), ipv6: parseAddress('fd12:3456:789a:2::3') },
    endsAtMs: validityOf(chain).endsAtMs,
  };
}

function introduced({ isFirst = true } = {}): SealedPeer {
  const peer = new SealedPeer(trusted, 41_000, 0);
  peer.introduce(trusted, 41_000, isFirst, 0);
  return peer;
}
const calledAt = (peer: SealedPeer, times: readonly number[]) =>
  times.filter((nowMs) => peer.isCalled(nowMs));

test('whoever is first calls at once, the other one after a moment, both for ten seconds', () => {
  const times = [0, 249, 250, 9_999, 10_000, 10_249, 10_250];
  assert.deepEqual(calledAt(introduced(), times), [0, 249, 250, 9_999]);
  assert.deepEqual(calledAt(introduced({ isFirst: false }), times), [250, 9_999, 10_000, 10_249]);
  assert.deepEqual(calledAt(new SealedPeer(trusted, 41_000, 0), times), []);
});

test('a peer is proven by its first handshake, and for good', () => {
  const peer = introduced();
  peer.look(undefined, 100);
  assert.equal(peer.isProven, false);
  peer.look(bed.nowMs, 200);
  peer.look(undefined, 999_999);
  assert.equal(peer.isProven, true);
});

test('a peer that has not answered within three seconds is sought again', () => {
  const peer = introduced();
  assert.equal(peer.isDoubtful(2_999, bed.nowMs), false);
  assert.equal(peer.isDoubtful(3_000, bed.nowMs), true);
  peer.introduce(trusted, 41_000, true, 3_000);
  assert.equal(peer.isDoubtful(5_999, bed.nowMs), false);
});

test('a peer whose handshake gets old while it is sent to is sought again', () => {
  const peer = introduced();
  peer.look(bed.nowMs, 1_000);
  peer.look(bed.nowMs, 120_000);
  assert.equal(peer.isDoubtful(141_000, bed.nowMs), false);
  assert.equal(peer.isDoubtful(141_001, bed.nowMs), true);
  peer.look(bed.nowMs + 140_000, 141_002);
  assert.equal(peer.isDoubtful(141_003, bed.nowMs), false);
});

test('a peer is sought for a younger certificate before its own ends', () => {
  const peer = introduced();
  peer.look(bed.nowMs, 1_000);
  const { issuedAtMs, endsAtMs } = validityOf(trusted.chain);
  const agedMs = issuedAtMs + ((endsAtMs - issuedAtMs) * 5) / 6;
  assert.equal(peer.isDoubtful(4_000, agedMs), false);
  assert.equal(peer.isDoubtful(4_000, agedMs + 1), true);
});

test('an older certificate takes the place of none, a younger one is kept', async () => {
  const younger = await certified(2 * hourMs);
  const peer = introduced();
  assert.equal(peer.introduce(younger, 41_000, true, 0), true);
  assert.equal(peer.introduce(trusted, 41_000, true, 0), false);
  assert.equal(peer.introduce(trusted, 41_009, true, 0), true, 'another port is news');
  assert.equal(peer.renew(trusted), false);
  assert.equal(peer.trusted.endsAtMs, younger.endsAtMs);
  const { sealedPort, chain } = peer.remembered;
  assert.deepEqual([sealedPort, chain], [41_009, younger.chain]);

  const other = introduced();
  assert.equal(other.renew({ ...younger, ipv4: parseAddress('100.65.0.9') }), true);
  assert.equal(other.trusted.ipv4, '100.65.0.3', 'only the certificate is new');
});

test('the tunnel’s key follows the epoch, and the key of the epoch where a store was restored', () => {
  const own = createWireguardKeyPair().publicKey;
  const publicKeys = [own, publicKey] as const;
  const peer = introduced();
  const [groupKey, other] = [createGroupKey(), createGroupKey()];
  for (const key of [
    { epoch: 1, groupKey },
    { epoch: 2, groupKey },
    { epoch: 2, groupKey: other },
  ]) {
    const { presharedKey } = peer.facts(own, key, 0);
    assert.equal(presharedKey, derivePresharedKey({ ...key, publicKeys }));
  }
});
