import type { Place } from './facts.ts';

/** Mean radius R₁ = (2a + b) / 3 of the WGS 84 ellipsoid (NIMA TR8350.2, §3.3 and table 3.3). */
const meanRadiusKm = 6371.0088;
const radiansPerDegree = Math.PI / 180;

export interface Coordinates {
  /** Degrees north, -90 to 90. */
  readonly latitude: number;
  /** Degrees east, -180 to 180. */
  readonly longitude: number;
}

/**
 * The great circle between two WGS 84 positions, on the sphere of the ellipsoid's mean radius, by the
 * haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky & Telescope 68, 1984). At most
 * 0.56 % from the geodesic on the ellipsoid: far less than look-ups of addresses err, and defined
 * for antipodes, where Vincenty's iteration does not converge.
 */
export function greatCircleKm(from: Coordinates, to: Coordinates): number {
  const sinHalfLatitude = Math.sin(((to.latitude - from.latitude) * radiansPerDegree) / 2);
  const sinHalfLongitude = Math.sin(((to.longitude - from.longitude) * radiansPerDegree) / 2);
  const haversine =
    sinHalfLatitude ** 2 +
    Math.cos(from.latitude * radiansPerDegree) *
      Math.cos(to.latitude * radiansPerDegree) *
      sinHalfLongitude ** 2;
  return 2 * meanRadiusKm * Math.asin(Math.min(1, Math.sqrt(haversine)));
}

/** Undefined unless both are known. */
export function coordinatesOf({
  latitude,
  longitude,
}: Pick<Place, 'latitude' | 'longitude'>): Coordinates | undefined {
  return latitude === undefined || longitude === undefined ? undefined : { latitude, longitude };
}
