import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greatCircleKm } from './great-circle.ts';

const halfEquatorKm = 6371.0088 * Math.PI;

test('distances are those of the sphere of mean radius', () => {
  const [pole, origin] = [
    { latitude: 90, longitude: 0 },
    { latitude: 0, longitude: 0 },
  ];
  assert.equal(greatCircleKm(origin, origin), 0);
  assert.ok(Math.abs(greatCircleKm(pole, origin) - halfEquatorKm / 2) < 1e-6);
  const antipode = greatCircleKm(
    { latitude: 50, longitude: 10 },
    { latitude: -50, longitude: -170 },
  );
  assert.ok(Math.abs(antipode - halfEquatorKm) < 1e-6);
  assert.ok(
    greatCircleKm({ latitude: 0, longitude: 179.5 }, { latitude: 0, longitude: -179.5 }) < 112,
  );
});

test('a long way is within 0.56 % of the geodesic on the ellipsoid', () => {
  // Vincenty's own example on WGS 84: Flinders Peak to Buninyong, 54.972271 km (Geoscience Australia).
  const from = { latitude: -37.951033417, longitude: 144.424867889 };
  const to = { latitude: -37.652821139, longitude: 143.926495528 };
  assert.ok(Math.abs(greatCircleKm(from, to) / 54.972271 - 1) < 0.0056);
});
