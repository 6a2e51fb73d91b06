import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemberRecord } from '../../model/records/roll.ts';
import {
  createGroupKey,
  createWireguardKeyPair,
  derivePresharedKey,
} from '../../trust/wireguard-keys.ts';
import type { StoredGroupKey } from '../group-key-store.ts';
import { Rendezvous } from './rendezvous.ts';

const nowMs = 1_000_000;
const self = createWireguardKeyPair().publicKey;

/** As much of a record as a guest is made of. */
const member = () => ({ keys: { acting: createWireguardKeyPair().publicKey } }) as MemberRecord;
const epochKey = (epoch: number): StoredGroupKey => ({
  ...{ epoch, groupKey: createGroupKey(), createdAtMs: 0, revision: 1 },
});

test('a guest is a peer that may send nothing, with the key that it can derive', () => {
  const rendezvous = new Rendezvous(self);
  const guest = member();
  const key = epochKey(3);
  rendezvous.invite(guest, nowMs);
  const publicKey = guest.keys.acting;
  const { groupKey, epoch } = key;
  const presharedKey = derivePresharedKey({ groupKey, epoch, publicKeys: [self, publicKey] });
  assert.deepEqual(
    rendezvous.peers(() => key),
    [{ publicKey, presharedKey, allowedIps: [] }],
  );
});

test('a peer is the same object until the key is another', () => {
  const rendezvous = new Rendezvous(self);
  const guest = member();
  const key = epochKey(1);
  rendezvous.invite(guest, nowMs);
  const [first] = rendezvous.peers(() => key);
  rendezvous.invite(guest, nowMs + 1_000);
  rendezvous.invite(member(), nowMs + 1_000);
  assert.equal(rendezvous.peers(() => key)[0], first);
  const [rotated] = rendezvous.peers(() => epochKey(2));
  assert.notEqual(rotated?.presharedKey, first?.presharedKey);
});

test('a guest has its place for a minute after it was asked last', () => {
  const rendezvous = new Rendezvous(self);
  const [stays, goes] = [member(), member()];
  assert.equal(rendezvous.invite(stays, nowMs), true);
  assert.equal(rendezvous.invite(goes, nowMs), true);
  assert.equal(rendezvous.invite(stays, nowMs + 30_000), false);
  assert.equal(rendezvous.clear(nowMs + 59_999), false);
  assert.equal(rendezvous.size, 2);
  assert.equal(rendezvous.clear(nowMs + 60_000), true);
  const keys = rendezvous.peers(() => epochKey(1)).map(({ publicKey }) => publicKey);
  assert.deepEqual(keys, [stays.keys.acting]);
  assert.equal(rendezvous.clear(nowMs + 90_000), true);
  assert.equal(rendezvous.size, 0);
  assert.equal(rendezvous.invite(stays, nowMs + 90_000), true);
});

test('a guest that is a member no more has no peer', () => {
  const rendezvous = new Rendezvous(self);
  const [stays, evicted] = [member(), member()];
  const key = epochKey(1);
  for (const guest of [evicted, stays]) rendezvous.invite(guest, nowMs);
  const peers = rendezvous.peers((guest) => (guest === evicted ? undefined : key));
  assert.deepEqual(
    peers.map(({ publicKey }) => publicKey),
    [stays.keys.acting],
  );
});
