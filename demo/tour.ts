import { setTimeout as delay } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import type { LabMember } from '../lab/vpn/lab-member.ts';
import { LabVpn } from '../lab/vpn/lab-vpn.ts';
import { type EvictionFigure, evict } from './eviction.ts';
import { type JoinFigure, joinMember } from './member-joins.ts';
import { allowTracing, type PairFigure, pingPair } from './pair-pings.ts';
import type { Report } from './report.ts';
import { evicted, joins, throughputPairs, vpnSpec } from './scenario.ts';
import { measureThroughput } from './throughput.ts';
import type { Figures } from './verdict.ts';

const hourMs = 3_600_000;

export interface Outcome {
  readonly vpn: LabVpn;
  readonly members: ReadonlyMap<string, LabMember>;
  readonly figures: Figures & { readonly joins: readonly JoinFigure[] };
}

/** Joins, pings, throughput and an eviction, each shown as it happens. */
export async function runTour(lab: Lab, report: Report, signal: AbortSignal): Promise<Outcome> {
  report.step('creating the VPN and starting three masters, each for its own subset');
  const vpn = await LabVpn.create(lab, vpnSpec);
  await vpn.startMasters();
  for (const { name, subset, node } of vpn.masters) {
    report.line(`${name.padEnd(8)} acts for ${subset.padEnd(9)} ${node.address('ipv4')}`);
  }
  signal.throwIfAborted();
  const { members, figures: joinFigures } = await joinAll(vpn, report, signal);
  const pairs = await pingAll(vpn, members, report);
  signal.throwIfAborted();
  const throughput = await measureAll(members, report);
  signal.throwIfAborted();
  const eviction = await evictOne(vpn, members, report);
  return { vpn, members, figures: { joins: joinFigures, pairs, throughput, eviction } };
}

async function joinAll(vpn: LabVpn, report: Report, signal: AbortSignal) {
  report.step('members join, each with an invite of its own');
  const members = new Map<string, LabMember>();
  const figures: JoinFigure[] = [];
  for (const { host, subset } of joins) {
    signal.throwIfAborted();
    const { member, figure } = await joinMember(vpn, host, subset);
    members.set(member.name, member);
    figures.push(figure);
    report.join(figure);
  }
  return { members, figures };
}

async function pingAll(
  vpn: LabVpn,
  members: ReadonlyMap<string, LabMember>,
  report: Report,
): Promise<PairFigure[]> {
  report.step('every pair of members: round trips and the masters on the way');
  const masterByAddress = await readMasterAddresses(vpn);
  await Promise.all(vpn.masters.map(({ node }) => allowTracing(node)));
  const all = [...members.values()];
  const pairs: PairFigure[] = [];
  for (const [index, from] of all.entries()) {
    for (const to of all.slice(index + 1)) pairs.push(await pingPair(from, to, masterByAddress));
  }
  report.pairs(pairs);
  return pairs;
}

/** A master has the first address of each block of the subset that it acts for. */
async function readMasterAddresses(vpn: LabVpn): Promise<Map<string, string>> {
  const { subsets } = (await vpn.hanseJson(['subset', 'list'])) as {
    subsets: { acting: string; blocks: { prefixes: string[] }[] }[];
  };
  return new Map(
    subsets.flatMap(({ acting, blocks }) =>
      blocks
        .flatMap(({ prefixes }) => prefixes)
        .map((block) => [block.replace(/\.0\/\d+$/, '.1').replace(/::\/96$/, '::1'), acting]),
    ),
  );
}

async function measureAll(
  members: ReadonlyMap<string, LabMember>,
  report: Report,
): Promise<Figures['throughput']> {
  report.step(
    'throughput of one TCP stream (both ends and the masters share this machine’s cores)',
  );
  const figures = [];
  for (const { from, to, what } of throughputPairs) {
    const mbitPerSecond = await measureThroughput(
      requireMember(members, from),
      requireMember(members, to),
    );
    report.throughput(what, mbitPerSecond);
    figures.push({ from, to, what, mbitPerSecond });
  }
  return figures;
}

async function evictOne(
  vpn: LabVpn,
  members: ReadonlyMap<string, LabMember>,
  report: Report,
): Promise<EvictionFigure> {
  report.step(`evicting ${evicted}`);
  const figure = await evict(vpn, requireMember(members, evicted), requireMember(members, 'web'));
  report.eviction(figure);
  return figure;
}

/** Resolves when the signal is aborted; until then one can look round. */
export async function stay(
  report: Report,
  { lab, vpn, members }: { lab: Lab; vpn: LabVpn; members: ReadonlyMap<string, LabMember> },
  signal: AbortSignal,
): Promise<void> {
  const operator = `HANSE_DIR=${vpn.directory} ip netns exec ${vpn.masters[0]?.node.namespace ?? ''} bin/hanse`;
  report.step(
    'it stays up until Ctrl-C; look round from another terminal, in this directory, as root:',
  );
  for (const command of [
    'status',
    'member list',
    'watch',
    'audit --subset baltic',
    'invite create --subset baltic',
  ]) {
    report.line(`${operator} ${command}`);
  }
  for (const name of ['web', 'laptop'])
    report.line(`${requireMember(members, name).node.shellCommand}   # a shell in ${name}`);
  report.line(`files and logs: ${lab.directory}`);
  // Node would end while nothing but a signal is waited for.
  while (!signal.aborted) await delay(hourMs, undefined, { signal }).catch(() => undefined);
}

function requireMember(members: ReadonlyMap<string, LabMember>, name: string): LabMember {
  const member = members.get(name);
  if (member) return member;
  throw new Error(`the demo has no member ${name}`);
}
