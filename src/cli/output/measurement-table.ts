import type { MasterMeasurement } from '../../api/measuring-messages.ts';
import type { MembershipMeasurements } from '../../api/member-measurements.ts';
import { formatBytes, formatDuration, formatRelative } from './human-units.ts';
import { type Column, formatFields, formatTable } from './table.ts';

type LocalMeasurement = MembershipMeasurements['masters'][number];

/** What a member has measured, the nearest master first. */
export function formatMeasurements(measured: MembershipMeasurements, nowMs: number): string {
  const { membership, masters, lastRoundAtMs, nextRoundAtMs, leftBytes, isLimited } = measured;
  const limit = isLimited ? ', too little for all of the last round: some figures are older' : '';
  const head = formatFields([
    ['membership', membership],
    ['measured', lastRoundAtMs === undefined ? 'not yet' : formatRelative(lastRoundAtMs, nowMs)],
    ['next', nextRoundAtMs === undefined ? undefined : formatRelative(nextRoundAtMs, nowMs)],
    ['budget left', `${formatBytes(leftBytes)}${limit}`],
  ]);
  if (masters.length === 0) return `${head}no master has said yet whom to measure\n`;
  return `${head}\n${formatTable(localColumns, byLatency(masters))}`;
}

/** What a member has reported. */
export function formatReport(masters: readonly MasterMeasurement[]): string {
  return formatTable(columns, byLatency(masters));
}

function byLatency<M extends MasterMeasurement>(masters: readonly M[]): readonly M[] {
  const orderOf = ({ latencyMs = Infinity }: M) => latencyMs;
  return masters.toSorted((a, b) => orderOf(a) - orderOf(b) || (a.name < b.name ? -1 : 1));
}

const columns: readonly Column<MasterMeasurement>[] = [
  { heading: 'MASTER', cell: ({ name }) => name },
  { heading: 'STUN', cell: describeStun },
  { heading: 'LATENCY', cell: ({ latencyMs }) => milliseconds(latencyMs), align: 'right' },
  { heading: 'JITTER', cell: ({ jitterMs }) => milliseconds(jitterMs), align: 'right' },
  { heading: 'LOST', cell: ({ sent, lost }) => share(lost, sent), align: 'right' },
  { heading: 'HOPS', cell: ({ hops }) => String(hops ?? '-'), align: 'right' },
  { heading: 'DOWN', cell: ({ downMbit }) => atLeast(downMbit), align: 'right' },
  { heading: 'UP', cell: ({ upMbit }) => atLeast(upMbit), align: 'right' },
  { heading: 'CONTROL', cell: ({ control }) => control ?? 'untried' },
  { heading: 'SEEN AS', cell: ({ seenAs }) => seenAs ?? '-' },
  {
    heading: 'AGE',
    cell: ({ ageMs }) => (ageMs === undefined ? '-' : formatDuration(ageMs)),
    align: 'right',
  },
];

const localColumns: readonly Column<LocalMeasurement>[] = [
  ...columns,
  { heading: 'PROBLEM', cell: ({ problem }) => problem ?? '-' },
];

function describeStun({ stun }: MasterMeasurement): string {
  return stun === 'none' ? 'not offered' : stun;
}

function milliseconds(ms: number | undefined): string {
  return ms === undefined ? '-' : `${ms.toFixed(1)} ms`;
}

function share(lost: number, sent: number): string {
  return sent === 0 ? '-' : `${Math.round((lost / sent) * 100)} %`;
}

/** A transfer is short: the way may carry more. */
function atLeast(mbit: number | undefined): string {
  if (mbit === undefined) return '-';
  return `≥ ${mbit < 10 ? mbit.toFixed(1) : Math.round(mbit)} Mbit/s`;
}
