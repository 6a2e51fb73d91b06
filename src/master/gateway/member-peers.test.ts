import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { PeerState } from '../../model/host-state.ts';
import { parseSubsetName } from '../../model/names.ts';
import { parseAddress } from '../../model/prefix.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { createGroupKey } from '../../trust/wireguard-keys.ts';
import type { StoredGroupKey } from '../group-key-store.ts';
import { MemberPeers, type PeerSource } from './member-peers.ts';

const [hamburg, berlin] = ['hamburg', 'berlin'].map(parseSubsetName) as [
  PeerSource['subset'],
  PeerSource['subset'],
];
const publicKey = (index: number) =>
  Buffer.alloc(32, index + 1).toString('base64') as WireguardPublicKey;
const self = publicKey(200);

/** As much of a record as a peer is made of. */
function member(index: number): MemberRecord {
  return {
    keys: { acting: publicKey(index) },
    ipv4: parseAddress(`100.64.0.${index + 2}`),
    ipv6: parseAddress(`fd00::${index + 2}`),
  } as MemberRecord;
}

function epochKey(epoch: number): StoredGroupKey {
  return { epoch, groupKey: createGroupKey(), createdAtMs: 0, revision: 1 } as StoredGroupKey;
}

const key = epochKey(1);
const of = (members: readonly MemberRecord[], groupKey = key): PeerSource => ({
  subset: hamburg,
  members,
  key: groupKey,
});
const keysOf = (peers: readonly PeerState[]) => peers.map((peer) => peer.publicKey);

/** Whether the lists have the very same objects. */
function assertSame(actual: readonly PeerState[], expected: readonly (PeerState | undefined)[]) {
  assert.equal(actual.length, expected.length);
  for (const [at, peer] of actual.entries()) assert.equal(peer, expected[at]);
}

test('nothing new gives the very same list', () => {
  const peers = new MemberPeers(self);
  const members = [0, 1, 2].map(member);
  const list = peers.update([of(members)]);
  assert.deepEqual(keysOf(list), [0, 1, 2].map(publicKey));
  assert.equal(peers.update([of([...members])]), list);
  const empty = new MemberPeers(self);
  const none = empty.update([of([])]);
  assert.equal(empty.update([of([], epochKey(2))]), none);
});

test('who stays is the same object when others come, go and change', () => {
  const peers = new MemberPeers(self);
  const members = [0, 1, 2, 3].map(member);
  const [a, b, c, d] = peers.update([of(members)]);
  const joined = [...members, member(4)];
  const afterJoin = peers.update([of(joined)]);
  assertSame(afterJoin.slice(0, -1), [a, b, c, d]);
  const e = afterJoin.at(-1);
  assert.equal(e?.publicKey, publicKey(4));
  const left = joined.toSpliced(1, 1);
  assertSame(peers.update([of(left)]), [a, c, d, e]);
  const renewed = [...left.toSpliced(1, 1), member(2)];
  const afterRenewal = peers.update([of(renewed)]);
  assertSame(afterRenewal.slice(0, -1), [a, d, e]);
  assert.deepEqual(afterRenewal.at(-1), c);
  assertSame(peers.update([of(renewed.toReversed())]), afterRenewal.toReversed());
});

test('another epoch gives all of them other preshared keys and the same allowed IPs', () => {
  const peers = new MemberPeers(self);
  const members = [0, 1, 2].map(member);
  const before = peers.update([of(members)]);
  const next = epochKey(2);
  const after = peers.update([of(members.toSpliced(1, 1), next)]);
  assert.deepEqual(keysOf(after), [publicKey(0), publicKey(2)]);
  for (const [at, old] of [before[0], before[2]].entries()) {
    assert.notEqual(after[at]?.presharedKey, old?.presharedKey);
    assert.equal(after[at]?.allowedIps, old?.allowedIps);
  }
  assert.deepEqual(after, new MemberPeers(self).update([of(members.toSpliced(1, 1), next)]));
});

test('a change in one subset leaves the peers of the other as they were', () => {
  const peers = new MemberPeers(self);
  const members = [0, 1].map(member);
  const others = { ...of([member(9)], epochKey(7)), subset: berlin };
  const [a, b, z] = peers.update([of(members), others]);
  const list = peers.update([of([...members, member(2)]), others]);
  assertSame(list, [a, b, list[2], z]);
  assertSame(peers.update([others]), [z]);
});

test('any changes of a roll give what a fresh start gives, and keep what can be kept', () => {
  const edit = fc.record({ at: fc.nat(8), remove: fc.nat(2), insert: fc.nat(2), rekey: fc.nat(4) });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 12 }), (edits) => {
      const peers = new MemberPeers(self);
      let [members, groupKey, count]: [MemberRecord[], StoredGroupKey, number] = [[], key, 0];
      let known = new Map<MemberRecord, PeerState | undefined>();
      for (const { at, remove, insert, rekey } of edits) {
        const isRekeyed = rekey === 0;
        if (isRekeyed) groupKey = epochKey(groupKey.epoch + 1);
        const newcomers = Array.from({ length: insert }, () => member(count++));
        members = members.toSpliced(at, remove, ...newcomers);
        const list = peers.update([of(members, groupKey)]);
        assert.deepEqual(list, new MemberPeers(self).update([of(members, groupKey)]));
        const now = new Map(members.map((each, index) => [each, list[index]]));
        for (const [each, peer] of now) {
          if (known.has(each) && !isRekeyed) assert.equal(peer, known.get(each));
        }
        known = now;
      }
    }),
  );
});
