import type { MemberView } from '../../api/member-endpoints.ts';
import type { RankedBackup } from '../../core/placement/backups.ts';
import type {
  ExcludedCandidate,
  PlacementDecision,
  RankedCandidate,
} from '../../core/placement/decide.ts';
import { describeExclusion } from '../../core/placement/exclusion.ts';
import type { CriterionShare } from '../../core/placement/scorer.ts';
import type { ByName } from '../../core/placement/withheld.ts';
import { describeTraffic, formatDuration } from './human-units.ts';
import { describePlace, formatPoints } from './placement-words.ts';
import { type Column, formatFields, formatTable } from './table.ts';

type MeasuredMember = Pick<MemberView, 'name' | 'subset' | 'measured' | 'traffic'>;

/** The decision, then every candidate with its criteria: the best first, then those that are none. */
export function formatExplanation(
  member: MeasuredMember,
  decision: PlacementDecision,
  withheld: readonly ByName[],
): string {
  const head = formatFields([
    ['member', `${member.name}.${member.subset}`],
    ['measured', describeReport(member)],
    ['traffic', describeTraffic(member.traffic)],
    ['not by name', describeWithheld(member, withheld)],
    ...decisionFields(decision),
  ]);
  const ranking = decision.kind === 'placed' ? decision.ranking : [];
  return [
    head,
    ...ranking.map((candidate, index) => formatRanked(candidate, index + 1)),
    ...decision.excluded.map(formatExcluded),
  ].join('\n');
}

function describeReport({ measured }: MeasuredMember): string {
  if (!measured?.report) return 'nothing: it has no session, or has reported nothing in it';
  const alert = measured.isAlert ? '; its master measures something else (alert)' : '';
  return `${formatDuration(measured.report.ageMs)} ago${alert}`;
}

function describeWithheld(
  { name }: MeasuredMember,
  withheld: readonly ByName[],
): string | undefined {
  if (withheld.length === 0) return undefined;
  return `the policy’s ${withheld.join(' and ')} for ${name}: no invite has named this member so, it says it itself`;
}

function decisionFields(
  decision: PlacementDecision,
): readonly (readonly [label: string, value: string | undefined])[] {
  if (decision.kind === 'nowhere') return [['decision', 'no subset can have it']];
  const { chosen, secondBest, backups } = decision;
  const margin = secondBest && formatPoints(Math.abs(secondBest.score - chosen.score));
  const side = secondBest && secondBest.score < chosen.score ? 'better' : 'worse';
  return [
    ['decision', describeDecision(decision)],
    ['second best', secondBest && `${describePlace(secondBest)}: ${margin} points ${side}`],
    ['backups', backups.map(describeBackup).join(', then ') || 'none that could be one'],
  ];
}

function describeDecision({
  reason,
  chosen,
}: Extract<PlacementDecision, { kind: 'placed' }>): string {
  const place = describePlace(chosen);
  switch (reason) {
    case 'first':
      return `${place}, its first place`;
    case 'stays':
      return `stays in ${place}: nothing is better by the hysteresis`;
    case 'better':
      return `move to ${place}: better by the hysteresis`;
    case 'forced':
      return `move to ${place}: it cannot stay where it is`;
  }
}

function describeBackup({ master, score, total, shares }: RankedBackup): string {
  if (shares.length === 0) return `${master} (${formatPoints(total)})`;
  return `${master} (${formatPoints(total)}: ${formatPoints(score)}, and the same ${shares.join(' and ')})`;
}

function formatRanked(candidate: RankedCandidate, rank: number): string {
  const heading = `${rank}. ${describePlace(candidate)}: ${formatPoints(candidate.score)} points\n`;
  return `${heading}${formatTable(columns, candidate.criteria)}`;
}

function formatExcluded({ because, criteria, ...candidate }: ExcludedCandidate): string {
  const heading = `${describePlace(candidate)}: excluded\n`;
  const reasons = because.map((exclusion) => `  ${describeExclusion(exclusion)}\n`).join('');
  return `${heading}${reasons}${criteria.length > 0 ? formatTable(columns, criteria) : ''}`;
}

const columns: readonly Column<CriterionShare>[] = [
  { heading: 'CRITERION', cell: ({ criterion }) => criterion },
  { heading: 'VALUE', cell: describeValue, align: 'right' },
  { heading: 'WEIGHT', cell: ({ weight }) => String(weight), align: 'right' },
  { heading: 'POINTS', cell: ({ points }) => formatPoints(points), align: 'right' },
];

function describeValue({ value, unit, isAssumed }: CriterionShare): string {
  if (value === undefined) return 'unknown';
  return `${isAssumed ? 'assumed ' : ''}${Number(value.toFixed(2))} ${unit}`;
}
