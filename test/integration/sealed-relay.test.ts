import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import { monotonicMs } from '../../lab/packet-stream.ts';
import { hanseProgram } from '../../lab/vpn/hanse-program.ts';
import type { LabMaster } from '../../lab/vpn/lab-master.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import { hostOf } from '../../src/model/endpoint.ts';
import { untilPaths } from '../support/lab/direct-path.ts';
import { assertPartedByEviction } from '../support/lab/evicted-member.ts';
import { readFigure } from '../support/lab/master-figures.ts';
import { OpenTraffic } from '../support/lab/open-traffic.ts';
import { until } from '../support/until.ts';

const topology = {
  sites: [
    { name: 'hub-net', hosts: ['fra'] },
    { name: 'home-net', nat: 'symmetric' as const, hosts: ['laptop'] },
    { name: 'office-net', nat: 'port-restricted' as const, hosts: ['phone'] },
  ],
};

const flowingMs = 3_000;
/** The master reads its counters every half minute. */
const figuresTimeoutMs = 60_000;
/** A path that dies is left within 0.8 s; the machine may be busy. */
const longestFallbackMs = 2_500;

describe('two members behind NATs that cannot be crossed', { timeout: 600_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let fra: LabMaster;
  let laptop: LabMember;
  let phone: LabMember;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, {
      name: 'hanse',
      masters: [{ host: 'fra', subset: 'europe' }],
    });
    await vpn.startMasters();
    fra = vpn.master('fra');
    await vpn.hanse(['vpn', 'keying', 'shared']);
    laptop = await vpn.join('laptop', 'europe');
    phone = await vpn.join('phone', 'europe');
  });
  after(() => lab?.[Symbol.asyncDispose]());

  const stream = () => startMemberStream(laptop, phone);
  const untilRelayed = async (): Promise<void> => {
    for (const { relayedBy, endpoint } of await untilPaths(laptop, phone, 'direct')) {
      assert.equal(relayedBy, 'fra');
      assert.equal(hostOf(endpoint ?? ''), lab.node('fra').address('ipv4'));
    }
  };

  it('come to talk through the relay of their master without a lost packet', async () => {
    const flowing = await stream();
    await untilRelayed();
    await delay(flowingMs);
    assert.deepEqual((await flowing.stop()).lost, []);
  });

  it('are not read by it, and it says how much it passes on', async () => {
    const traffic = await OpenTraffic.count(fra.node);
    const flowing = await stream();
    await delay(flowingMs);
    const { sentAtMs, lost } = await flowing.stop();
    assert.deepEqual(lost, []);
    const { open, relayed } = await traffic.stop();
    assert.equal(open, 0);
    assert.ok(relayed >= 2 * sentAtMs.length, `${relayed} of ${sentAtMs.length} there and back`);
    assert.equal(await readFigure(fra, 'hanse_relayed_pairs'), 1);
    await until(
      'the master has counted',
      async () => (await readFigure(fra, 'hanse_relayed_packets_total')) > sentAtMs.length,
      figuresTimeoutMs,
    );
  });

  it('go on while the master’s process is dead, and find the relay again after its restart', async (test) => {
    const flowing = await stream();
    await fra.kill();
    await delay(flowingMs);
    assert.deepEqual((await flowing.stop()).lost, []);

    const restarted = await stream();
    await fra.start();
    const startedMs = monotonicMs();
    await until(
      'they are relayed anew',
      async () => (await readFigure(fra, 'hanse_relayed_pairs')) === 1,
      figuresTimeoutMs,
    );
    const openedMs = monotonicMs();
    await untilRelayed();
    const relayedMs = monotonicMs();
    test.diagnostic(
      `a pair again after ${Math.round(openedMs - startedMs)} ms, used after ${Math.round(relayedMs - startedMs)}`,
    );
    const { longestGap } = await restarted.stop();
    assert.ok(longestGap.lengthMs < longestFallbackMs, `${longestGap.lengthMs} ms without packets`);
  });

  it('are parted by an eviction', async () => {
    await assertPartedByEviction(vpn, phone, laptop);
    assert.equal(await readFigure(fra, 'hanse_relayed_pairs'), 0);
  });

  it('leave no relay behind when a master whose process was killed is taken down', async () => {
    const tables = async () => (await fra.node.run('nft', ['list', 'tables'])).stdout;
    await fra.kill();
    assert.match(await tables(), /_relay$/m);
    await fra.node.run(hanseProgram, ['master', 'down', '--name', 'fra', '--dir', vpn.directory]);
    assert.doesNotMatch(await tables(), /_relay$/m);
  });
});
