import { parseArgs } from 'node:util';
import { createLab, type Lab } from '../lab/lab.ts';
import { runFailover } from './failover/failover.ts';
import { Report } from './report.ts';
import { topology } from './scenario.ts';
import { runTour, stay } from './tour.ts';
import { findFailoverProblems, findProblems } from './verdict.ts';

const usage = `npm start [-- --once] [-- --failover] [-- --json]

Runs a VPN under three masters in network namespaces of this machine and shows its figures.
  --once       do not stay afterwards; the exit code is 0 when everything held
  --failover   instead, a master's machine dies while packets flow, and comes back (implies --once)
  --json       print the figures as one JSON document on standard output (implies --once)
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean' },
      failover: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => interrupted.abort(new Error('interrupted')));
  }
  // Whoever reads may be gone, as a terminal that was closed: everything is removed all the same.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const out = values.json ? process.stderr : process.stdout;
  const report = new Report((line) => out.write(`${line}\n`));
  const { json = false, failover = false, once = false } = values;
  return run(report, { failover, json, stays: !once && !json && !failover }, interrupted.signal);
}

interface Options {
  readonly failover: boolean;
  readonly json: boolean;
  readonly stays: boolean;
}

async function run(report: Report, options: Options, signal: AbortSignal): Promise<number> {
  try {
    report.step('building the lab: four sites, their routers, one of them with NAT');
    await using lab = await createLab({ topology }, signal);
    try {
      return await demonstrate(lab, { report, options, signal });
    } finally {
      report.step('removing everything');
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return 130;
  }
}

interface Demonstration {
  readonly report: Report;
  readonly options: Options;
  readonly signal: AbortSignal;
}

async function demonstrate(lab: Lab, { report, options, signal }: Demonstration): Promise<number> {
  const show = options.failover ? showFailover : showTour;
  const { figures, problems, linger } = await show(lab, report, signal);
  report.verdict(problems);
  const document = { held: problems.length === 0, problems, ...figures };
  if (options.json) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  if (options.stays) await linger();
  return problems.length === 0 ? 0 : 1;
}

interface Shown {
  readonly figures: object;
  readonly problems: readonly string[];
  /** Leaves everything up for whoever wants to look. */
  readonly linger: () => Promise<void>;
}

async function showTour(lab: Lab, report: Report, signal: AbortSignal): Promise<Shown> {
  const { vpn, members, figures } = await runTour(lab, report, signal);
  const problems = findProblems(figures, vpn.masters[0]?.name ?? '');
  return { figures, problems, linger: () => stay(report, { lab, vpn, members }, signal) };
}

async function showFailover(lab: Lab, report: Report, signal: AbortSignal): Promise<Shown> {
  const figures = await runFailover(lab, report, signal);
  return { figures, problems: findFailoverProblems(figures), linger: async () => undefined };
}

process.exitCode = await main();
