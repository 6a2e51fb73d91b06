import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseAddress } from '../model/prefix.ts';
import { candidatesOf } from './direct-candidates.ts';

const other = {
  observed: '198.51.100.7:40001',
  addresses: ['192.168.1.2', '2001:db8::2'].map(parseAddress),
  port: 40_000,
};

it('what the master saw comes first', () => {
  assert.deepEqual(candidatesOf(other, { observed: '203.0.113.9:1' }, 8), [
    '198.51.100.7:40001',
    '192.168.1.2:40000',
    '[2001:db8::2]:40000',
  ]);
});

it('behind one public address the neighbours are looked for at home first', () => {
  assert.deepEqual(candidatesOf(other, { observed: '198.51.100.7:9' }, 8), [
    '192.168.1.2:40000',
    '[2001:db8::2]:40000',
    '198.51.100.7:40001',
  ]);
});

it('a public address that is its own is one candidate', () => {
  const open = { ...other, observed: '192.168.1.2:40000' };
  assert.deepEqual(candidatesOf(open, {}, 8), ['192.168.1.2:40000', '[2001:db8::2]:40000']);
});

it('without a sight of it there is what it says', () => {
  const { observed: _, ...unseen } = other;
  assert.deepEqual(candidatesOf(unseen, { observed: '203.0.113.9:1' }, 1), ['192.168.1.2:40000']);
});
