import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveEndpoint } from './resolve-endpoint.ts';

const noResolver = () => Promise.reject(new Error('nobody should be asked'));

test('addresses are taken as they are', async () => {
  assert.equal(await resolveEndpoint('192.0.2.1', 51_820, noResolver), '192.0.2.1:51820');
  assert.equal(await resolveEndpoint('[2001:db8::1]', 51_820, noResolver), '[2001:db8::1]:51820');
});

test('names are resolved, to either family', async () => {
  assert.equal(await resolveEndpoint('a.example', 1, async () => '192.0.2.7'), '192.0.2.7:1');
  assert.equal(await resolveEndpoint('a.example', 1, async () => '2001:db8::7'), '[2001:db8::7]:1');
});
