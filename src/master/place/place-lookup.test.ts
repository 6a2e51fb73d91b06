import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts';
import { InvalidInputError } from '../../model/error.ts';
import { parseAddress } from '../../model/prefix.ts';
import { PlaceLookup } from './place-lookup.ts';

const data = fileURLToPath(new URL('../../../test/testdata/mmdb/', import.meta.url));
const [places, systems] = [join(data, 'places.mmdb'), join(data, 'systems.mmdb')];
const lookup = await PlaceLookup.open({ places, systems });
const placeOf = (address: string) => lookup.placeOf(parseAddress(address));
const systemOf = (address: string) => lookup.systemOf(parseAddress(address));

test('addresses of both families are found in their networks', () => {
  const hamburg = { country: 'DE', position: { latitude: 53.55, longitude: 9.99 } };
  assert.deepEqual(placeOf('192.0.2.1'), hamburg);
  assert.deepEqual(placeOf('192.0.2.127'), hamburg);
  assert.deepEqual(placeOf('192.0.2.128'), {});
  const visby = { country: 'SE', position: { latitude: 57.64, longitude: 18.29 } };
  assert.deepEqual(placeOf('2001:db8:1::7'), visby);
  assert.deepEqual(placeOf('2001:db8:2::7'), {});
});

test('a network of which only the country is known has no position', () => {
  assert.deepEqual(placeOf('203.0.113.5'), { country: 'NL' });
});

test('a position that is nowhere on Earth is none', () => {
  assert.deepEqual(placeOf('203.0.113.200'), {});
});

test('autonomous systems are found', () => {
  assert.equal(systemOf('192.0.2.200'), 64_496);
  assert.equal(systemOf('2001:db8:ffff::1'), 64_511);
  assert.equal(systemOf('198.51.100.1'), undefined);
});

test('without databases nothing is known of anybody', async () => {
  const nothing = await PlaceLookup.open({});
  assert.deepEqual(nothing.placeOf(parseAddress('192.0.2.1')), {});
  assert.equal(nothing.systemOf(parseAddress('192.0.2.1')), undefined);
});

test('a database of another kind knows nothing of what it is asked', async () => {
  const swapped = await PlaceLookup.open({ places: systems, systems: places });
  assert.deepEqual(swapped.placeOf(parseAddress('192.0.2.1')), {});
  assert.equal(swapped.systemOf(parseAddress('192.0.2.1')), undefined);
});

test('a file that is not there, or is something else, is named', async () => {
  const missing = '/nonexistent/places.mmdb';
  await assert.rejects(PlaceLookup.open({ places: missing }), {
    ...{ code: 'invalid', message: `the place database ${missing} is not there` },
  });
  const notOne = join(data, 'README.md');
  await assert.rejects(PlaceLookup.open({ systems: notOne }), {
    ...{ code: 'invalid', message: /README\.md is no database in MaxMind's format/ },
  });
});

test('a damaged file is refused or knows less, and never fails later', async () => {
  await using directory = await temporaryDirectory();
  const whole = await readFile(places);
  const path = join(directory.path, 'damaged.mmdb');
  const damage = fc.array(fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(damage, fc.nat({ max: whole.length }), async (bytes, cut) => {
      const damaged = Buffer.from(whole);
      for (const [at, value] of bytes) damaged.writeUInt8(value, at);
      await writeFile(path, damaged.subarray(0, whole.length - (cut % 3 === 0 ? cut : 0)));
      try {
        const opened = await PlaceLookup.open({ places: path });
        const { country = 'DE' } = opened.placeOf(parseAddress('192.0.2.1'));
        assert.match(country, /^[A-Z]{2}$/);
      } catch (error) {
        assert.ok(error instanceof InvalidInputError, String(error));
      }
    }),
    { numRuns: 200 },
  );
});
