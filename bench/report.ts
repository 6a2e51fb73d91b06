import { cpus, loadavg, release } from 'node:os';
import { formatTable } from '../src/cli/output/table.ts';
import { type Figure, isReached } from './figure.ts';

export interface Report {
  readonly suite: string;
  readonly startedAt: string;
  readonly machine: MachineDescription;
  readonly figures: readonly Figure[];
  /** Parts that could not be measured, and why. */
  readonly failures: readonly { readonly part: string; readonly reason: string }[];
}

export interface MachineDescription {
  readonly cpus: number;
  readonly model: string;
  readonly kernel: string;
  readonly node: string;
  /** Others on the machine make figures worse; this is how busy it was before. */
  readonly loadBefore: number;
}

export function describeMachine(): MachineDescription {
  const processors = cpus();
  return {
    cpus: processors.length,
    model: processors[0]?.model ?? 'unknown',
    kernel: release(),
    node: process.versions.node,
    loadBefore: loadavg()[0] ?? 0,
  };
}

/** Everything was measured and every goal reached. */
export function holds({ figures, failures }: Report): boolean {
  return failures.length === 0 && figures.every((figure) => isReached(figure) !== false);
}

export function formatReport(report: Report): string {
  const { machine, failures } = report;
  const table = formatTable<Figure>(
    [
      { heading: 'FIGURE', cell: ({ name }) => name },
      { heading: 'VALUE', cell: ({ value }) => formatNumber(value), align: 'right' },
      { heading: 'UNIT', cell: ({ unit }) => unit },
      { heading: 'REFERENCE', cell: formatReference },
      { heading: 'GOAL', cell: formatGoal },
      { heading: '', cell: formatVerdict },
      { heading: 'DETAIL', cell: ({ detail }) => detail ?? '' },
    ],
    report.figures,
  );
  const failed = failures.map(({ part, reason }) => `not measured: ${part}: ${reason}\n`).join('');
  return `${table}${failed}\n${machine.cpus} × ${machine.model}, Linux ${machine.kernel}, Node ${machine.node}, load before the run ${machine.loadBefore.toFixed(2)}\n`;
}

/** Three significant digits below a hundred, whole numbers above. */
function formatNumber(value: number): string {
  return Math.abs(value) < 100
    ? String(Number(value.toPrecision(3)))
    : Math.round(value).toString();
}

function formatReference({ reference }: Figure): string {
  return reference ? `${formatNumber(reference.value)} (${reference.name})` : '';
}

function formatGoal({ goal }: Figure): string {
  return goal ? `${goal.kind === 'at-most' ? '≤' : '≥'} ${formatNumber(goal.value)}` : '';
}

function formatVerdict(figure: Figure): string {
  const reached = isReached(figure);
  if (reached === undefined) return '';
  return reached ? 'yes' : 'NO';
}
