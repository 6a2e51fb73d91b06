import type { DirectPath } from '../../api/direct-messages.ts';
import { formatDuration, formatHandshakeAge } from './human-units.ts';
import { type Column, formatTable } from './table.ts';

/** A line for each other member that was introduced, the earliest first. */
export function formatDirectPaths(paths: readonly DirectPath[]): string {
  return formatTable(columns, paths);
}

const columns: readonly Column<DirectPath>[] = [
  { heading: 'DIRECT', cell: ({ name, subset }) => (subset ? `${name}.${subset}` : name) },
  { heading: 'STATE', cell: ({ state, ageMs }) => `${state} for ${formatDuration(ageMs)}` },
  { heading: 'ENDPOINT', cell: formatEndpoint },
  { heading: 'ROUND TRIP', cell: ({ roundTripMs }) => roundTrip(roundTripMs) },
  { heading: 'HANDSHAKE', cell: ({ handshakeAgeMs }) => formatHandshakeAge(handshakeAgeMs) },
  { heading: 'WHY', cell: ({ reason }) => reason },
  { heading: 'TRIED', cell: ({ tried }) => tried.join(' ') || '-' },
];

function formatEndpoint({ endpoint = '-', relayedBy }: DirectPath): string {
  return relayedBy === undefined ? endpoint : `${endpoint} (relay ${relayedBy})`;
}

function roundTrip(durationMs: number | undefined): string {
  return durationMs === undefined ? '-' : `${durationMs.toFixed(1)} ms`;
}
