import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { endpointSchema, hostOf, hostSchema, portOf } from './endpoint.ts';

test('an endpoint is its host and its port, whatever the family', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.domain(),
        fc.ipV4(),
        fc.ipV6().map((text) => `[${text}]`),
      ),
      fc.integer({ min: 1, max: 65_535 }),
      (host, port) => {
        const endpoint = endpointSchema.parse(`${host}:${port}`);
        assert.equal(hostOf(endpoint), host.replace(/^\[|\]$/g, ''));
        assert.equal(portOf(endpoint), port);
        assert.ok(hostSchema.safeParse(host).success);
      },
    ),
  );
});

test('what is no endpoint is refused, never thrown about', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
      const result = endpointSchema.safeParse(text);
      if (result.success) assert.ok(portOf(text) >= 1 && portOf(text) <= 65_535);
    }),
    { numRuns: 500 },
  );
  for (const text of [
    '',
    'host',
    'host:',
    'host:0',
    'host:65536',
    ':1',
    '::1:80',
    'a b:1',
    'h:1:2',
    '-h:1',
    'h:1\n',
  ])
    assert.equal(endpointSchema.safeParse(text).success, false, JSON.stringify(text));
});

test('a long host is refused without being pondered', () => {
  const startMs = performance.now();
  assert.equal(endpointSchema.safeParse(`${'a.'.repeat(100_000)}:1`).success, false);
  assert.ok(performance.now() - startMs < 1_000);
});
