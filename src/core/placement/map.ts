import type { MasterName, MemberName } from '../../model/names.ts';
import { coastlinePath } from './coastline.ts';
import { compareNames } from './compare-names.ts';
import type { Coordinates } from './great-circle.ts';

/** Somebody at a place; who is nowhere is not on the map. */
export interface MapPoint<Name extends string> extends Coordinates {
  readonly name: Name;
}

export interface MapMember extends MapPoint<MemberName> {
  /** The acting master; absent for a member without a place. */
  readonly master?: MasterName | undefined;
  /** To that master; absent while it has not been measured. */
  readonly latencyMs?: number | undefined;
}

export interface MapFacts {
  /** What the picture is called; any text. */
  readonly title: string;
  readonly masters: readonly MapPoint<MasterName>[];
  readonly members: readonly MapMember[];
}

/** Units of the picture: half a degree, as the coastline has it. */
const perDegree = 2;
const [width, height] = [360 * perDegree, 180 * perDegree];
const legendHeight = 34;
const graticuleDegrees = 30;

/** Colours that are told apart with any colour vision (P. Tol, "Colour Schemes", 2021, bright). */
const latencyClasses = [
  { below: 20, colour: '#228833', words: 'under 20 ms' },
  { below: 50, colour: '#4477aa', words: '20–50 ms' },
  { below: 100, colour: '#ccbb44', words: '50–100 ms' },
  { below: 200, colour: '#ee6677', words: '100–200 ms' },
  { below: Infinity, colour: '#aa3377', words: 'over 200 ms' },
] as const;
const unmeasured = { colour: '#888888', words: 'not measured' } as const;

const style = [
  'text{font:7px system-ui,sans-serif;fill:#333}',
  '.sea{fill:#f4f7fa}',
  '.land{fill:#dfe5ea}',
  '.graticule{stroke:#c9d3dc;stroke-width:.3;fill:none}',
  '.link{stroke-width:.7;stroke-opacity:.75;fill:none}',
  '.member{stroke:#fff;stroke-width:.3}',
  '.master{fill:#222;stroke:#fff;stroke-width:.8}',
  '.name{font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:2;stroke-linejoin:round}',
].join('');

/**
 * Masters and members at their places, each member with a line to its master in the colour of its
 * latency: an SVG document, the same for the same facts in whatever order. Equirectangular, so that
 * places are where their degrees say; lines are straight on it and go the short way round the world.
 */
export function renderPlacementMap({ title, masters, members }: MapFacts): string {
  const sortedMasters = masters.toSorted(byName);
  const sortedMembers = members.toSorted(byName);
  const placeOf = new Map(masters.map((master) => [master.name, master]));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height + legendHeight}" role="img" aria-labelledby="title desc">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="desc">${escapeXml(describe(masters, members))}</desc>`,
    `<style>${style}</style>`,
    // An inner picture ends at its own edges, where lines round the world leave it.
    `<svg width="${width}" height="${height}">`,
    `<rect class="sea" width="${width}" height="${height}"/>`,
    `<path class="land" d="${coastlinePath}"/>`,
    `<path class="graticule" d="${graticulePath()}"/>`,
    ...sortedMembers.flatMap((member) => renderLinks(member, placeOf)),
    ...sortedMembers.map(renderMember),
    ...sortedMasters.map(renderMaster),
    '</svg>',
    ...renderLegend(),
    '</svg>\n',
  ].join('\n');
}

function byName(one: MapPoint<string>, other: MapPoint<string>): number {
  return (
    compareNames(one.name, other.name) ||
    one.longitude - other.longitude ||
    one.latitude - other.latitude
  );
}

function describe(masters: MapFacts['masters'], members: MapFacts['members']): string {
  const placed = members.filter(({ master }) => master !== undefined).length;
  const classes = [...latencyClasses, unmeasured].map((each) => {
    const count = members.filter(
      (member) => member.master !== undefined && classOf(member) === each,
    ).length;
    return `${count} ${each.words}`;
  });
  return `${masters.length} masters and ${members.length} members on a map of the world; ${placed} members have a master, by latency: ${classes.join(', ')}.`;
}

function classOf({ latencyMs }: MapMember): { readonly colour: string; readonly words: string } {
  if (latencyMs === undefined) return unmeasured;
  return latencyClasses.find(({ below }) => latencyMs < below) ?? unmeasured;
}

const xOf = ({ longitude }: Coordinates): string => round((longitude + 180) * perDegree);
const yOf = ({ latitude }: Coordinates): string => round((90 - latitude) * perDegree);
const round = (value: number): string => String(Number(value.toFixed(1)));

/** Two for a link that crosses the edge, one from each side. */
function renderLinks(
  member: MapMember,
  placeOf: ReadonlyMap<MasterName, Coordinates>,
): readonly string[] {
  const master = member.master === undefined ? undefined : placeOf.get(member.master);
  if (!master) return [];
  const east = master.longitude - member.longitude;
  const turn = east > 180 ? -360 : east < -180 ? 360 : 0;
  const line = (from: Coordinates, to: Coordinates): string =>
    `<line class="link" stroke="${classOf(member).colour}" x1="${xOf(from)}" y1="${yOf(from)}" x2="${xOf(to)}" y2="${yOf(to)}"/>`;
  if (turn === 0) return [line(member, master)];
  return [line(member, turned(master, turn)), line(turned(member, -turn), master)];
}

const turned = ({ latitude, longitude }: Coordinates, degrees: number): Coordinates => ({
  latitude,
  longitude: longitude + degrees,
});

function renderMember(member: MapMember): string {
  const latency = member.latencyMs === undefined ? '' : `, ${round(member.latencyMs)} ms`;
  const words = member.master === undefined ? 'no master' : `${member.master}${latency}`;
  return `<circle class="member" fill="${classOf(member).colour}" cx="${xOf(member)}" cy="${yOf(member)}" r="1.8"><title>${escapeXml(`${member.name}: ${words}`)}</title></circle>`;
}

function renderMaster(master: MapPoint<MasterName>): string {
  const [x, y] = [xOf(master), yOf(master)];
  const name = escapeXml(master.name);
  const mark = `<rect class="master" x="${x}" y="${y}" width="6" height="6" transform="translate(-3 -3)"><title>${name}</title></rect>`;
  // At the right edge the name is on the left of the mark.
  const side = Number(x) > width - 60 ? 'dx="-5" text-anchor="end"' : 'dx="5"';
  return `${mark}<text class="name" x="${x}" y="${y}" ${side} dy="2.5">${name}</text>`;
}

function graticulePath(): string {
  const lines: string[] = [];
  for (let at = graticuleDegrees; at < 360; at += graticuleDegrees) {
    lines.push(`M${at * perDegree} 0v${height}`);
    if (at < 180) lines.push(`M0 ${at * perDegree}h${width}`);
  }
  return lines.join('');
}

function renderLegend(): readonly string[] {
  const entries = [...latencyClasses, unmeasured];
  const step = (width - 20) / (entries.length + 1);
  const y = height + 19;
  return [
    `<rect class="master" x="10" y="${y - 5}" width="6" height="6"/><text x="20" y="${y}">master</text>`,
    ...entries.map(({ colour, words }, index) => {
      const x = round(10 + step * (index + 1));
      return `<circle class="member" fill="${colour}" cx="${x}" cy="${y - 2}" r="3"/><text x="${x}" dx="6" y="${y}">${words}</text>`;
    }),
  ];
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** For text and attributes; characters that XML 1.0 has no place for are left out. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
    .replace(/[&<>"']/g, (character) => entities[character] ?? '');
}
