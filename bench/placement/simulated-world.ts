import type { Measurement, MemberFacts, World } from '../../src/core/placement/facts.ts';
import { greatCircleKm } from '../../src/core/placement/great-circle.ts';
import { MeasurementTable } from '../../src/core/placement/measurement-table.ts';
import {
  type MasterName,
  parseMasterName,
  parseMemberName,
  parseSubsetName,
} from '../../src/model/names.ts';
import { SeededRandom } from '../../test/support/load/seeded-random.ts';
import { type City, cities } from './cities.ts';

/** There and back through fibre, at two thirds of the speed of light. */
const msPerKm = 2 / 200;
/** Cables do not follow great circles, and routes do not follow cables. */
const leastDetour = 1.25;
const meanExtraDetour = 0.5;
const meanAccessMs = 6;
const masterAccessMs = 1;

export interface SimulatedWorld {
  readonly world: World;
  readonly members: readonly MemberFacts[];
  /** Milliseconds, as it is; what was measured errs by some percent. NaN unless it was kept. */
  latencyMs(row: number, master: MasterName): number;
  distanceKm(row: number, master: MasterName): number;
}

interface Site extends City {
  /** Between the machine and the first exchange, there and back. */
  readonly accessMs: number;
}

/** Masters and members at real cities, more of both at some of them, with latency from distance and noise. */
export function simulateWorld(
  size: { readonly members: number; readonly masters: number },
  { keepsTruth = false } = {},
): SimulatedWorld {
  const random = new SeededRandom(1);
  const shuffled = shuffle(cities, random);
  const masterSites = drawSites(shuffled, size.masters, () => masterAccessMs, random);
  const memberSites = drawSites(
    shuffled,
    size.members,
    () => meanAccessMs * exponential(random),
    random,
  );
  const world = createWorld(masterSites);
  const columnOf = new Map(world.masters.map(({ name }, column) => [name, column]));
  const truth = new Float32Array(keepsTruth ? size.members * size.masters : 0);
  const table = new MeasurementTable(size.members, [...columnOf.keys()]);
  const siteOf = (master: MasterName): Site => siteAt(masterSites, columnOf.get(master));
  memberSites.forEach((member, row) => {
    for (const [name, column] of columnOf) {
      const latencyMs = drawLatencyMs(member, siteOf(name), random);
      truth[row * size.masters + column] = latencyMs;
      table.set(row, name, measure(latencyMs, random));
    }
  });
  return {
    world,
    members: memberSites.map(({ latitude, longitude, jurisdiction }, row) => ({
      name: parseMemberName(`m${row}`),
      place: { latitude, longitude, jurisdiction },
      measurements: table.row(row),
    })),
    latencyMs: (row, master) =>
      truth[row * size.masters + (columnOf.get(master) ?? -1)] ?? Number.NaN,
    distanceKm: (row, master) => greatCircleKm(siteAt(memberSites, row), siteOf(master)),
  };
}

function siteAt(sites: readonly Site[], index: number | undefined): Site {
  const site = sites[index ?? -1];
  if (!site) throw new RangeError(`there is no site ${index} of ${sites.length}`);
  return site;
}

function shuffle<T>(items: readonly T[], random: SeededRandom): readonly T[] {
  return items
    .map((item) => ({ item, key: random.next() }))
    .sort((one, other) => one.key - other.key)
    .map(({ item }) => item);
}

/** The square makes the first cities the large ones. */
function drawSites(
  shuffled: readonly City[],
  count: number,
  drawAccessMs: () => number,
  random: SeededRandom,
): readonly Site[] {
  return Array.from({ length: count }, () => {
    const city = shuffled[Math.floor(random.next() ** 2 * shuffled.length)];
    if (!city) throw new RangeError('there are no cities');
    return { ...city, accessMs: drawAccessMs() };
  });
}

/** With mean 1: most are small, a few are large. */
const exponential = (random: SeededRandom): number => -Math.log(1 - random.next());

function drawLatencyMs(member: Site, master: Site, random: SeededRandom): number {
  const detour = leastDetour + meanExtraDetour * exponential(random);
  return member.accessMs + master.accessMs + detour * msPerKm * greatCircleKm(member, master);
}

function measure(latencyMs: number, random: SeededRandom): Measurement {
  return {
    latencyMs: latencyMs * (1 + 0.05 * exponential(random)),
    jitterMs: latencyMs * 0.02 * exponential(random),
    lossRatio: random.next() < 0.1 ? random.next() * 0.01 : 0,
    servesControl: true,
  };
}

/** One subset for each master. */
function createWorld(sites: readonly Site[]): World {
  const named = sites.map(({ name, ...place }, index) => ({
    name: parseMasterName(`${name.slice(0, 20)}-${index}`),
    place,
  }));
  return {
    masters: named.map(({ name, place }) => ({ name, place, members: 0, isDraining: false })),
    subsets: named.map(({ name }) => ({ name: parseSubsetName(name), acting: name, backups: [] })),
  };
}
