import assert from 'node:assert/strict';
import { it } from 'node:test';
import { tunnelMtuBytes } from './mtu.ts';

it('a tunnel carries 80 bytes less than what it runs over', () => {
  assert.equal(tunnelMtuBytes(1_500), 1_420);
  assert.equal(tunnelMtuBytes(9_000), 8_920);
});

it('a tunnel never carries less than IPv6 needs, nor more than a jumbo frame holds', () => {
  assert.equal(tunnelMtuBytes(1_300), 1_280);
  assert.equal(tunnelMtuBytes(65_536), 8_920);
});
