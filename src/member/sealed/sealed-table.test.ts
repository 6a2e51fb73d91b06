import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxSealedPeers } from '../../api/direct-messages.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { parseAddress } from '../../model/prefix.ts';
import { wireguardPublicKeySchema } from '../../model/wireguard-key.ts';
import { SealedPeer } from './sealed-peer.ts';
import { SealedTable } from './sealed-table.ts';

/** A handshake is a sign of use for 140 s. */
const idleMs = 140_001;

function peer(index: number, handshakeAtMs?: number): SealedPeer {
  const raw = Buffer.alloc(32);
  raw.writeUInt32BE(index + 1);
  const trusted = {
    publicKey: wireguardPublicKeySchema.parse(raw.toString('base64')),
    name: parseMemberName(`member-${index}`),
    subset: parseSubsetName('west'),
    chain: [],
    ipv4: parseAddress(`100.65.${index >> 8}.${index & 255}`),
    ipv6: parseAddress(`fd12:3456:789a:2::${(index + 1).toString(16)}`),
    endsAtMs: 1_000_000,
  };
  const made = new SealedPeer(trusted, 41_000, 0);
  made.look(handshakeAtMs, 0);
  return made;
}

/** As many as there is room for. */
function fullTable(create: (index: number) => SealedPeer) {
  const table = new SealedTable();
  const peers = Array.from({ length: maxSealedPeers }, (_, index) => create(index));
  for (const each of peers) assert.deepEqual(table.add(each, 0), { isIn: true });
  return { table, peers };
}

test('nobody takes the place of a tunnel that is in use', () => {
  const { table, peers } = fullTable((index) => peer(index, 1));
  const newcomer = peer(maxSealedPeers);
  assert.deepEqual(table.add(newcomer, 0), { isIn: false });
  assert.deepEqual(table.all, peers);
  assert.equal(table.at(newcomer.trusted.ipv4), undefined);
});

test('newcomers that never answer take each other’s places only', () => {
  const unproven = [7, 8];
  const { table, peers } = fullTable((index) =>
    peer(index, unproven.includes(index) ? undefined : 1),
  );
  for (let index = 0; index < maxSealedPeers; index += 1) {
    const { isIn } = table.add(peer(maxSealedPeers + index), idleMs);
    assert.ok(isIn);
  }
  const lost = peers.filter(({ publicKey }) => !table.has(publicKey));
  assert.deepEqual(lost, [peers[7], peers[8]]);
  assert.equal(table.all.length, maxSealedPeers);
});

test('where all have answered, the earliest that is not in use any more makes room', () => {
  const { table, peers } = fullTable((index) => peer(index, 1));
  for (const each of peers) if (each !== peers[3]) each.look(2, idleMs);
  const { isIn, gone } = table.add(peer(maxSealedPeers), idleMs);
  assert.deepEqual([isIn, gone], [true, peers[3]]);
  assert.equal(table.at(parseAddress('100.65.0.3')), undefined);
});

test('whoever is in the table already needs no room', () => {
  const { table, peers } = fullTable((index) => peer(index, 1));
  assert.deepEqual(table.add(peers[5] as SealedPeer, 0), { isIn: true });
  assert.equal(table.all.length, maxSealedPeers);
});
