import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countryCodeSchema } from './country-codes.ts';

const letters = Array.from({ length: 26 }, (_, index) => String.fromCharCode(65 + index));
const isCode = (text: string): boolean => countryCodeSchema.safeParse(text).success;

test('the codes are those of the standard, in capitals', () => {
  const all = letters.flatMap((one) => letters.map((other) => one + other)).filter(isCode);
  assert.equal(all.length, 249);
  for (const code of ['DE', 'FR', 'GB', 'SS', 'BQ', 'XK', 'UK', 'EU', 'AN']) {
    assert.equal(isCode(code), !['XK', 'UK', 'EU', 'AN'].includes(code), code);
  }
  assert.ok(!isCode('de') && !isCode('') && !isCode('AD AE'));
});
