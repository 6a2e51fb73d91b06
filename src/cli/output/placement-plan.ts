import type { MemberId } from '../../core/placement/score-table.ts';
import type { PlacementOutlook, PlannedMove } from '../placement-plan.ts';
import type { Supposition, Takeover } from '../placement-what-if.ts';
import { listNames } from './name-list.ts';
import { describePlace, formatPoints } from './placement-words.ts';
import { type Column, formatFields, formatTable } from './table.ts';

/** What a plan supposes, and what would be planned without. */
export interface PlannedSupposition extends Pick<Supposition, 'takeovers' | 'added'> {
  readonly present: Pick<PlacementOutlook, 'moves' | 'totals'>;
}

type Field = readonly [label: string, value: string | undefined];

/** Who would move where and why, then who cannot be planned for, and the totals. */
export function formatPlan(outlook: PlacementOutlook, supposition?: PlannedSupposition): string {
  const { moves, unmeasured, moving, withheld, unplaced, totals } = outlook;
  const { members, minutes, postponed, score, gain } = totals;
  const table =
    moves.length === 0
      ? 'nobody would move\n'
      : formatTable(columnsOf(supposition ? 'WITH' : 'NOW WITH'), moves);
  const later = postponed === 0 ? '' : `, ${postponed} of them postponed`;
  const withoutPlace = unplaced.map(({ member, because }) => `${fullName(member)} (${because})`);
  const ownWord = withheld.map(({ member, what }) => `${fullName(member)} (${what.join(', ')})`);
  const fields = formatFields([
    ['members', String(members)],
    ['moves', `${moves.length}${moves.length === 0 ? '' : `, in ${minutes} min${later}`}`],
    ['score', `${formatPoints(score)} in all, better by ${formatPoints(gain)}`],
    ['on their way', listNames(moving.map(fullName)) || undefined],
    ['not measured', listNames(unmeasured.map(fullName)) || undefined],
    ['not by name', listNames(ownWord) || undefined],
    ['no place', listNames(withoutPlace) || undefined],
    ...(supposition ? supposedFields(supposition, moves) : []),
  ]);
  return `${table}\n${fields}`;
}

export const fullName = ({ name, subset }: MemberId): string => `${name}.${subset}`;

function supposedFields(
  { takeovers, added, present }: PlannedSupposition,
  moves: readonly PlannedMove[],
): readonly Field[] {
  const anyway = new Set(present.moves.map(describeMove));
  const same = moves.filter((move) => anyway.has(describeMove(move))).length;
  return [
    ['taken over', listNames(takeovers.map(describeTakeover)) || undefined],
    ['new', listNames(added.map(describePlace)) || undefined],
    [
      'as it is',
      `${present.moves.length} ${present.moves.length === 1 ? 'move' : 'moves'}, ${same} of them as here; score ${formatPoints(present.totals.score)} in all`,
    ],
  ];
}

const describeMove = ({ member, to }: PlannedMove): string =>
  `${fullName(member)} ${describePlace(to)}`;

const describeTakeover = ({ subset, from, to }: Takeover): string =>
  `${subset} from ${from} by ${to ?? 'nobody'}`;

const columnsOf = (master: string): readonly Column<PlannedMove>[] => [
  { heading: 'MEMBER', cell: ({ member }) => fullName(member) },
  { heading: master, cell: (move) => move.master ?? 'nobody' },
  { heading: 'PLANNED', cell: ({ to }) => describePlace(to) },
  { heading: 'WHY', cell: ({ reason }) => reason },
  { heading: 'SCORE', cell: ({ score }) => formatPoints(score), align: 'right' },
  {
    heading: 'BETTER BY',
    cell: ({ gain }) => (gain === undefined ? '-' : formatPoints(gain)),
    align: 'right',
  },
  { heading: 'MINUTE', cell: ({ minute }) => String(minute ?? 'postponed'), align: 'right' },
];
