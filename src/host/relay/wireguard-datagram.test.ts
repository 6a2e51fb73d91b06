import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWireguardDatagram, minDatagramBytes } from './wireguard-datagram.ts';

function datagram(header: readonly number[], length = minDatagramBytes): Buffer {
  return Buffer.concat([Buffer.from(header), Buffer.alloc(length)], length);
}

test('the four types of messages are WireGuard', () => {
  for (const type of [1, 2, 3, 4]) assert.ok(isWireguardDatagram(datagram([type, 0, 0, 0])));
});

test('other types, bytes that are not zero and what is too short are not', () => {
  for (const header of [
    [0, 0, 0, 0],
    [5, 0, 0, 0],
    [4, 1, 0, 0],
    [4, 0, 1, 0],
    [4, 0, 0, 1],
  ]) {
    assert.ok(!isWireguardDatagram(datagram(header)), header.join());
  }
  for (const length of [0, 3, 31]) assert.ok(!isWireguardDatagram(datagram([4, 0, 0, 0], length)));
});
