import { createLab, type Lab } from '../../lab/lab.ts';
import type { RelayKind } from '../../src/host/relay/relay.ts';
import { formatSocketAddress } from '../../src/model/endpoint.ts';
import { parseAddress } from '../../src/model/prefix.ts';
import { RelayProcess } from '../../test/support/relay-process.ts';
import { waitUntil } from '../bed/wait-until.ts';
import type { Figure } from '../figure.ts';
import { HandMadeDevices } from '../lab/hand-made-devices.ts';
import { configureByHand } from '../lab/hand-made-hubs.ts';
import { measureThroughput } from '../lab/tcp-throughput.ts';
import { type Part, runsOf } from '../part.ts';
import { describeSpread, median } from '../statistics.ts';

const usualRounds = 9;
const mtuBytes = 1_420;
const startTimeoutMs = 10_000;

/** One tunnel for each; the two relays share a machine. */
const relays: readonly RelayPlan[] = [
  { kind: 'kernel', firstPort: 61_000, network: '10.98.0' },
  { kind: 'user-space', firstPort: 61_100, network: '10.98.1' },
];

interface RelayPlan {
  readonly kind: RelayKind;
  readonly firstPort: number;
  /** The first three numbers of the addresses in the tunnel. */
  readonly network: string;
}

/**
 * One TCP stream between two hosts through a third one that passes WireGuard's datagrams on, and
 * through the same one as a hub that decrypts and encrypts, by turns.
 */
export const relay: Part = {
  name: 'relay',
  summary: `TCP through a relay and through a hub that translates, ${usualRounds} times by turns`,
  place: 'here',
  async measure(context) {
    const sites = ['left', 'hub', 'right'].map((host) => ({ name: `${host}-net`, hosts: [host] }));
    await using lab = await createLab({ topology: { sites } });
    await using stack = new AsyncDisposableStack();
    const devices = await HandMadeDevices.create({ lab, mtuBytes });
    const hub = await configureByHand(devices, [{ host: 'hub', members: ['left', 'right'] }]);
    const translated: number[] = [];
    const relayed = relays.map((plan) => ({ ...plan, seen: [] as number[] }));
    const ways = [
      { address: hub.get('right') ?? '', seen: translated },
      ...relayed.map(({ network, seen }) => ({ address: `${network}.2`, seen })),
    ];
    for (const plan of relays) stack.use(await connectThroughRelay(lab, devices, plan));
    const [left, right] = [lab.node('left'), lab.node('right')];
    for (const { address } of ways)
      await waitUntil(`${address} answers`, startTimeoutMs, async () =>
        (await left.ping(address)).received > 0 ? true : undefined,
      );
    const rounds = runsOf(context, usualRounds);
    for (let round = 0; round < rounds; round += 1) {
      context.progress(`round ${round + 1} of ${rounds}`);
      for (const { address, seen } of round % 2 === 0 ? ways : ways.toReversed())
        seen.push(await measureThroughput(left, right, address));
    }
    return relayed.map(({ kind, seen }) => figureOf(kind, seen, translated));
  },
};

/** A tunnel between `left`, which is .1 in it, and `right`, which is .2. */
async function connectThroughRelay(
  lab: Lab,
  devices: HandMadeDevices,
  { kind, firstPort, network }: RelayPlan,
): Promise<RelayProcess> {
  const [left, hub, right] = [lab.node('left'), lab.node('hub'), lab.node('right')];
  const ports = { first: firstPort, count: 2 };
  const running = RelayProcess.start(hub.namespace, { owner: `bench/${kind}`, ports, kind });
  const pair = await running.open({
    id: 'pair',
    first: { address: parseAddress(left.address('ipv4')) },
    second: { address: parseAddress(right.address('ipv4')) },
  });
  const [one, other] = [
    await devices.make('left', `${network}.1`),
    await devices.make('right', `${network}.2`),
  ];
  for (const [from, to, port] of [
    [one, other, pair.firstPort],
    [other, one, pair.secondPort],
  ] as const) {
    const through = formatSocketAddress(hub.address('ipv4'), port);
    const allowedIps = `${to.address}/32`;
    await devices.connect(from, [{ of: to, allowedIps, through }], [allowedIps]);
  }
  return running;
}

function figureOf(kind: RelayKind, seen: readonly number[], translated: readonly number[]): Figure {
  return {
    name: `TCP through a relay in ${kind}, multiple of the same hub translating`,
    unit: '',
    value: median(seen) / median(translated),
    reference: { name: 'Mbit/s translated', value: median(translated) },
    ...(kind === 'kernel' ? { goal: { kind: 'at-least', value: 1.3 } } : {}),
    detail: `${median(seen).toFixed(0)} Mbit/s, MTU ${mtuBytes}; ${describeSpread(seen)}`,
  };
}
