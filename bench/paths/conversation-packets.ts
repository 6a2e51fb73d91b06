import { setTimeout as delay } from 'node:timers/promises';
import { begunSets, conversationSets, formatRuleset } from '../../src/host/firewall/ruleset.ts';
import { createRunner, type Runner } from '../../src/host/runner.ts';
import { parsePrefix } from '../../src/model/prefix.ts';
import type { Figure } from '../figure.ts';
import { type PartContext, runsOf } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';

const usualRounds = 7;
const seconds = 2;
const timeoutMs = 30_000;
const settleMs = 300;
const tableName = 'hanse_bench_packets';
const [near, far] = ['hnsnear', 'hnsfar'];
const namespaces = ['bench-client', 'bench-gateway', 'bench-server'] as const;

/**
 * What it costs a packet that it is noted: a flood of small ones from one namespace through another to a third,
 * over plain links, by turns with and without the rules that note. Tunnels would cost ten times as much and hide it.
 */
export async function measurePackets(context: PartContext): Promise<readonly Figure[]> {
  const [client, gateway, server] = await connectNamespaces();
  const [noted, plain]: [number[], number[]] = [[], []];
  const rounds = runsOf(context, usualRounds);
  for (let round = 0; round < rounds; round += 1) {
    context.progress(`packets, round ${round + 1} of ${rounds}`);
    const runs = [
      async () => noted.push(await flood(client, gateway, server, rules())),
      async () => plain.push(await flood(client, gateway, server, withoutNotes(rules()))),
    ];
    for (const run of round % 2 === 0 ? runs : runs.reverse()) await run();
  }
  const more = 1e9 / median(noted) - 1e9 / median(plain);
  return [
    {
      name: 'noting who talks, for each forwarded packet',
      unit: 'ns',
      value: more,
      detail: `${median(noted).toFixed(0)} packets a second with it, ${describeSpread(noted)}; ${median(plain).toFixed(0)} without, ${describeSpread(plain)}`,
    },
  ];
}

/** @returns packets of 64 bytes that were sent in a second; what forwards them runs as part of sending */
async function flood(
  client: Runner,
  gateway: Runner,
  server: Runner,
  input: string,
): Promise<number> {
  await gateway.run('nft', ['-f', '-'], { input, timeoutMs });
  const listening = server.run('iperf3', ['--server', '--one-off'], { timeoutMs });
  await delay(settleMs);
  const line = ['--client', '100.64.2.2', '--udp', '--bitrate', '0', '--length', '64'];
  const { stdout } = await client.run('iperf3', [...line, '--time', String(seconds), '--json'], {
    timeoutMs,
  });
  await listening;
  const report = JSON.parse(stdout) as { end: { sum: { packets: number; seconds: number } } };
  return report.end.sum.packets / report.end.sum.seconds;
}

function rules(): string {
  const sources = [parsePrefix('100.64.0.0/10'), parsePrefix('fd00:1::/48')];
  const members = [near, far].map((name) => ({ name, sources }));
  const gateway = { prefixes: sources, members, backbone: [] };
  const filtered = { interfaceNames: [near, far], gateway };
  return formatRuleset(filtered, { tableName, startOver: true });
}

function withoutNotes(ruleset: string): string {
  const notes = [
    ...Object.values(conversationSets).map((set) => `update @${set}`),
    ...Object.values(begunSets).map((set) => `add @${set}`),
  ];
  const isNote = (line: string): boolean => notes.some((note) => line.includes(note));
  return ruleset
    .split('\n')
    .filter((line) => !isNote(line))
    .join('\n');
}

async function connectNamespaces(): Promise<[Runner, Runner, Runner]> {
  const [client, gateway, server] = namespaces;
  await ip(
    createRunner({}),
    namespaces.map((name) => `netns add ${name}`),
  );
  const inside = (name: string): Runner => createRunner({ networkNamespace: name });
  const runners: [Runner, Runner, Runner] = [inside(client), inside(gateway), inside(server)];
  const router = runners[1];
  await ip(router, [
    `link add ${near} type veth peer name eth0 netns ${client}`,
    `link add ${far} type veth peer name eth0 netns ${server}`,
    `address add 100.64.1.1/24 dev ${near}`,
    `address add 100.64.2.1/24 dev ${far}`,
    ...[near, far].map((name) => `link set ${name} up`),
  ]);
  await router.run('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1'], { timeoutMs });
  for (const [runner, number] of [
    [runners[0], 1],
    [runners[2], 2],
  ] as const) {
    await ip(runner, [
      `address add 100.64.${number}.2/24 dev eth0`,
      'link set eth0 up',
      `route add default via 100.64.${number}.1`,
    ]);
  }
  return runners;
}

async function ip(runner: Runner, lines: readonly string[]): Promise<void> {
  await runner.run('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n`, timeoutMs });
}
