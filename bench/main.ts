import { Command, InvalidArgumentError } from 'commander';
import type { Part } from './part.ts';
import { formatReport, holds } from './report.ts';
import { runSuite } from './suite.ts';
import { suites } from './suites.ts';

interface Options {
  readonly json?: boolean;
  readonly strict?: boolean;
  readonly only?: readonly string[];
  readonly runs?: number;
}

const program = new Command('bench')
  .description('Measures what Hanse promises. Needs root, for network namespaces and WireGuard.')
  .argument('<suite>', `which figures: ${Object.keys(suites).join(', ')}`)
  .option('--json', 'print one JSON document')
  .option('--strict', 'exit with 1 when a figure misses its goal or could not be measured')
  .option('--only <parts>', 'only these parts, separated by commas', (text) => text.split(','))
  .option('--runs <number>', 'repeat nothing more often, for a quick look', parseRuns)
  .addHelpText('after', Object.entries(suites).map(listParts).join(''))
  .action(async (suite: string, options: Options) => {
    const report = await runSuite(suite, chooseParts(suite, options), options);
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ ...report, held: holds(report) }, null, 2)}\n`
        : formatReport(report),
    );
    if (options.strict && !holds(report)) process.exitCode = 1;
  });

function chooseParts(suite: string, { only }: Options): readonly Part[] {
  const parts = suites[suite] ?? program.error(`there is no suite "${suite}"`);
  const unknown = only?.find((name) => !parts.some((part) => part.name === name));
  if (unknown !== undefined) program.error(`there is no part "${unknown}" in ${suite}`);
  return only ? parts.filter(({ name }) => only.includes(name)) : parts;
}

function listParts([suite, parts]: [string, readonly Part[]]): string {
  const lines = parts.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}\n`);
  return `\nParts of ${suite}:\n${lines.join('')}`;
}

function parseRuns(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is a whole number above 0.');
}

await program.parseAsync();
