import type { PolicyDifference } from '../../core/placement/policy-differences.ts';
import { type Column, formatTable } from './table.ts';

/** More than fit on a screen are read in the files. */
const mostDifferences = 40;
const mostCharacters = 40;

/** What is another in a new policy. */
export function formatPolicyDifferences(differences: readonly PolicyDifference[]): string {
  if (differences.length === 0) return 'the two mean the same\n';
  const rest = differences.length - mostDifferences;
  const more = rest > 0 ? `and ${rest} more\n` : '';
  return `${formatTable(columns, differences.slice(0, mostDifferences))}${more}`;
}

const columns: readonly Column<PolicyDifference>[] = [
  { heading: 'KEY', cell: ({ key }) => key },
  { heading: 'WAS', cell: ({ before }) => shorten(before) },
  { heading: 'IS', cell: ({ after }) => shorten(after) },
];

function shorten(value = '-'): string {
  return value.length > mostCharacters ? `${value.slice(0, mostCharacters - 1)}…` : value;
}
