import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import type { MemberView } from '../../src/api/member-endpoints.ts';
import { untilPaths } from '../support/lab/direct-path.ts';
import { readMembership, untilSession } from '../support/lab/member-session.ts';
import { PingStream } from '../support/lab/ping-stream.ts';
import { isCutOff, reaches } from '../support/lab/reachability.ts';
import { TcpExchange } from '../support/lab/tcp-exchange.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'north-net', hosts: ['north-1', 'n1', 'n2', 'k0', 'k1', 'k2'] },
    { name: 'south-net', hosts: ['south-1', 's1'] },
    { name: 'east-net', hosts: ['east-1', 'e1'] },
  ],
};
const masters = ['north', 'south', 'east'].map((subset) => ({ host: `${subset}-1`, subset }));
/** Long, because the machine may be busy with other tests. */
const slowMs = 120_000;
/** Long enough for all that is looked at meanwhile. */
const graceMs = 25_000;
/** Lost packets are counted by echo requests; on a busy machine programs wait for so long to run. */
const longestGapMs = 3_000;
/** From before the order is heard to after the move is done, on whatever machine. */
const killDelaysMs = [0, 150, 600];

describe('a member that is moved', { timeout: 900_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  const members = new Map<string, LabMember>();
  const member = (name: string): LabMember => {
    const found = members.get(name);
    assert.ok(found, `${name} has joined`);
    return found;
  };

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, { name: 'corp', masters });
    await vpn.startMasters();
    const names = ['n1', 'n2', 's1', 'e1', 'k0'];
    await Promise.all(
      names.map(async (host) => {
        const subset = { s: 'south', e: 'east' }[host[0] ?? ''] ?? 'north';
        members.set(host, await vpn.join(host, subset));
      }),
    );
  });
  after(async () => lab?.[Symbol.asyncDispose]());

  const show = async (reference: string) =>
    (await vpn.hanseJson(['member', 'show', reference])) as MemberView;
  const move = (name: string, to: string, ...options: readonly string[]): Promise<string> =>
    vpn.hanse(['member', 'move', name, '--to', to, ...options], { timeoutMs: slowMs });
  const untilMoved = (name: string, subset = 'north') =>
    until(`${name} has moved`, async () => (await show(`${name}.${subset}`)).movedTo, slowMs);

  /** Echo requests from members of several subsets to one address. */
  async function pingFrom(names: readonly string[], addresses: readonly string[]) {
    const pairs = names.flatMap((name) => addresses.map((address) => [name, address] as const));
    const streams = await Promise.all(
      pairs.map(async ([name, address]) => ({
        what: `${name} to ${address}`,
        stream: await PingStream.start(member(name).node, address),
      })),
    );
    return async (): Promise<void> => {
      const ended = await Promise.all(
        streams.map(async ({ what, stream }) => ({ what, ...(await stream.stop()) })),
      );
      const losses = ended.flatMap(({ what, answered, lost }) =>
        lost.length > 0 ? `${what}: ${lost.length} from ${lost[0]} on, of ${answered}` : [],
      );
      assert.deepEqual(losses, []);
      for (const { what, answered } of ended) assert.ok(answered > 100, `${what}: ${answered}`);
    };
  }

  it('loses no packet and no connection until its grace period is over, from wherever they come', async () => {
    const moving = member('n1');
    const [north, south, east] = [member('n2'), member('s1'), member('e1')];
    const talk = await startMemberStream(north, moving);
    await untilPaths(north, moving, 'direct');
    await talk.stop();
    const oldAddresses = [moving.ipv4, moving.ipv6];
    const stopPings = await pingFrom(['n2', 's1', 'e1'], oldAddresses);
    const to = (one: LabMember) => ({ node: one.node, address: one.ipv4 });
    const connections = await Promise.all([
      TcpExchange.start(moving.node, to(east), 7_201),
      TcpExchange.start(moving.node, { node: south.node, address: south.ipv6 }, 7_202),
      TcpExchange.start(north.node, to(moving), 7_203),
    ]);
    assert.deepEqual(
      connections.map(({ seenAs }) => seenAs),
      [moving.ipv4, moving.ipv6, north.ipv4],
    );
    const output = await move('n1', 'south', '--grace', `${graceMs}ms`);
    const movedMs = Date.now();
    assert.match(output, /it is n1\.south now/);
    const now = await show('n1');
    assert.equal(now.subset, 'south');
    const fresh = await Promise.all([
      TcpExchange.start(moving.node, to(east), 7_204),
      TcpExchange.start(moving.node, to(north), 7_205),
      TcpExchange.start(moving.node, { node: north.node, address: north.ipv6 }, 7_206),
      TcpExchange.start(south.node, { node: moving.node, address: now.ipv4 }, 7_207),
    ]);
    assert.deepEqual(
      fresh.map(({ seenAs }) => seenAs),
      [now.ipv4, now.ipv4, now.ipv6, south.ipv4],
    );
    const old = await readMembership(moving);
    assert.deepEqual([old?.move?.stage, old?.move?.to], ['moved', 'south']);
    await delay(Math.max(0, movedMs + graceMs - 8_000 - Date.now()));
    await stopPings();
    for (const connection of connections) {
      const { isOpen, longestGapMs: gapMs, sent, echoed } = await connection.stop();
      assert.ok(isOpen && gapMs < longestGapMs, `open: ${isOpen}, ${gapMs} ms without an echo`);
      assert.ok(sent - echoed < 50, `${echoed} of ${sent} came back`);
    }
    await until('n1 has left', async () => (await show('n1.north')).state === 'left', slowMs);
    assert.ok(await isCutOff(east, moving.ipv4), 'nobody has the old address');
    for (const connection of fresh) {
      const { isOpen, longestGapMs: gapMs } = await connection.stop();
      assert.ok(isOpen && gapMs < longestGapMs, `a new one: ${isOpen}, ${gapMs} ms`);
    }
    assert.ok(await reaches(north, now.ipv4));
    const { stdout: rules } = await moving.node.run('ip', ['rule']);
    assert.doesNotMatch(rules, /^10104:/m, 'no rule is left of one membership');
  });

  it('that is killed at any moment goes on, and loses no packet by that', async () => {
    for (const [index, delayMs] of killDelaysMs.entries()) {
      const name = `k${index}`;
      const moving = members.get(name) ?? (await vpn.join(name, 'north'));
      members.set(name, moving);
      await untilSession(moving, 'live');
      const stopPings = await pingFrom(['s1', 'e1'], [moving.ipv4]);
      const ordered = move(name, 'south', '--wait', '0s').catch(() => 'not yet');
      await delay(600 + delayMs);
      await moving.kill();
      await moving.restart();
      await ordered;
      await untilMoved(name);
      await stopPings();
      assert.ok(await reaches(member('e1'), (await show(`${name}.south`)).ipv4), name);
    }
  });

  it('moves when both masters were killed after the order, and when it was away', async () => {
    const moving = member('k0');
    await until('k0 is settled', async () => (await show('k0')).session, slowMs);
    await moving.kill();
    const { ipv4 } = await show('k0.south');
    const stopPings = await pingFrom(['s1', 'e1'], [ipv4]);
    await move('k0.south', 'east', '--wait', '0s').catch(() => 'it is away');
    await Promise.all(['south-1', 'east-1'].map((name) => vpn.master(name).kill()));
    await moving.restart();
    await Promise.all(['south-1', 'east-1'].map((name) => vpn.master(name).start()));
    await untilMoved('k0', 'south');
    await stopPings();
    assert.ok(await reaches(member('e1'), (await show('k0.east')).ipv4));
  });
});
