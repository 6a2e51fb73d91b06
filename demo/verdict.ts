import type { EvictionFigure } from './eviction.ts';
import type { FailoverFigures } from './failover/failover.ts';
import type { PairFigure } from './pair-pings.ts';
import { evicted, joins } from './scenario.ts';

/** What traffic may miss when a master dies. */
const longestGapMs = 1_000;

export interface Figures {
  readonly joins: readonly { readonly member: string }[];
  readonly pairs: readonly PairFigure[];
  readonly throughput: readonly { readonly what: string; readonly mbitPerSecond: number }[];
  readonly eviction: EvictionFigure;
}

/** What did not hold, a sentence each; empty when everything did. */
export function findProblems(figures: Figures, actingMaster: string): string[] {
  const { pairs, throughput, eviction } = figures;
  const problems: string[] = [];
  if (figures.joins.length !== joins.length)
    problems.push(`${figures.joins.length} of ${joins.length} members joined`);
  for (const { from, to, ipv4Ms, ipv6Ms, path } of pairs) {
    if (ipv4Ms === undefined) problems.push(`${from} does not reach ${to} over IPv4`);
    if (ipv6Ms === undefined) problems.push(`${from} does not reach ${to} over IPv6`);
    if (path.length === 0) problems.push(`the way from ${from} to ${to} passes no master`);
  }
  for (const { what, mbitPerSecond } of throughput) {
    if (!(mbitPerSecond > 0)) problems.push(`no throughput ${what}`);
  }
  return [...problems, ...findEvictionProblems(eviction, actingMaster)];
}

/** The same for the failover. */
export function findFailoverProblems({ failure, comeback }: FailoverFigures): string[] {
  const longGaps = failure.flows
    .filter(({ gapMs }) => gapMs > longestGapMs)
    .map(({ from, to, gapMs }) => `${from} did not reach ${to} for ${gapMs} ms`);
  const losses = comeback.flows
    .filter(({ lost }) => lost > 0)
    .map(({ from, to, lost }) => `the return lost ${lost} packets from ${from} to ${to}`);
  return [...longGaps, ...losses];
}

function findEvictionProblems(eviction: EvictionFigure, actingMaster: string): string[] {
  const problems = eviction.pending.map(
    (member) => `${member} has not acknowledged the eviction of ${evicted}`,
  );
  if (eviction.acknowledged.length === 0) problems.push('nobody acknowledged the eviction');
  if (eviction.stillReached) problems.push(`${evicted} reached a member after its eviction`);
  for (const { master, count } of eviction.messages) {
    if (master !== actingMaster && count !== 0)
      problems.push(`${master} received ${count} control messages because of the eviction`);
    if (master === actingMaster && count === 0)
      problems.push(`${master} counted no control message of the eviction`);
  }
  return problems;
}
