import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from '../../lab/lab.ts';
import { UdpProbe } from '../../lab/udp-probe.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../lab/vpn/member-stream.ts';
import type { DirectoryView } from '../../src/api/directory-endpoints.ts';
import { sealedAddress } from '../../src/core/addressing.ts';
import { parseAddress } from '../../src/model/prefix.ts';
import { untilPaths } from '../support/lab/direct-path.ts';
import { assertPartedByEviction } from '../support/lab/evicted-member.ts';
import { OpenTraffic } from '../support/lab/open-traffic.ts';
import { reaches } from '../support/lab/reachability.ts';
import { textsWithZeroChecksum } from '../support/lab/zero-checksum.ts';

const topology = {
  sites: [
    { name: 'hub-net', hosts: ['fra'] },
    { name: 'far-net', hosts: ['sin'] },
    { name: 'web-net', hosts: ['web'] },
    { name: 'home-net', nat: 'symmetric' as const, hosts: ['laptop'] },
    { name: 'office-net', nat: 'port-restricted' as const, hosts: ['phone', 'tablet', 'thief'] },
  ],
};

/** After a change nothing must get stuck. */
const flowingMs = 3_000;

const zeroChecksums = 5;

describe('one key for all subsets', { timeout: 600_000 }, () => {
  let lab: Lab;
  let vpn: LabVpn;
  let web: LabMember;
  let laptop: LabMember;
  let phone: LabMember;

  before(async () => {
    lab = await createLab({ topology });
    vpn = await LabVpn.create(lab, {
      name: 'hanse',
      masters: [
        { host: 'fra', subset: 'europe', backups: ['sin'] },
        { host: 'sin', subset: 'asia' },
      ],
    });
    await vpn.startMasters();
    web = await vpn.join('web', 'europe');
    laptop = await vpn.join('laptop', 'europe');
    phone = await vpn.join('phone', 'asia');
  });
  after(() => lab?.[Symbol.asyncDispose]());

  const keying = async (): Promise<string> =>
    ((await vpn.hanseJson(['vpn', 'show'])) as DirectoryView).vpn.keying;

  it('comes over a running VPN without a lost packet', async () => {
    const streams = [
      await startMemberStream(laptop, phone, { port: 7_001 }),
      await startMemberStream(phone, web, { port: 7_002 }),
    ];
    assert.match(await vpn.hanse(['vpn', 'keying', 'shared']), /the keying of hanse is shared/);
    assert.equal(await keying(), 'shared');
    await delay(flowingMs);
    for (const stream of streams) assert.deepEqual((await stream.stop()).lost, []);
  });

  it('lets no master read anything, across subsets and NATs that cannot be crossed', async () => {
    const fra = await OpenTraffic.count(lab.node('fra'));
    const sin = await OpenTraffic.count(lab.node('sin'));
    const streams = [
      await startMemberStream(laptop, phone, { port: 7_001 }),
      await startMemberStream(laptop, web, { port: 7_002 }),
    ];
    for (const stream of streams) assert.deepEqual((await stream.stop()).lost, []);
    for (const counts of [await fra.stop(), await sin.stop()]) {
      assert.equal(counts.open, 0);
      assert.ok(counts.sealed > 0);
    }
  });

  it('loses no packet around a sealed one for its checksum', async () => {
    const [from, to] = [laptop, web].map(({ ipv6 }) => sealedAddress(parseAddress(ipv6)));
    assert.ok(from && to);
    const port = 7_003;
    await using sender = await UdpProbe.open(laptop.node, port);
    await using receiver = await UdpProbe.open(web.node, port);
    for (const text of textsWithZeroChecksum({ from, to, port }, zeroChecksums)) {
      sender.send({ address: to, port }, text);
      assert.equal((await receiver.receive(text))?.address, from);
    }
  });

  it('makes direct paths between members of different subsets', async () => {
    // One master for both subsets: it is who sees them talk.
    await vpn.hanse(['subset', 'create', 'africa', '--acting', 'fra']);
    const tablet = await vpn.join('tablet', 'africa');
    const stream = await startMemberStream(tablet, web, { port: 7_001 });
    await untilPaths(web, tablet, 'direct');
    await delay(flowingMs);
    assert.deepEqual((await stream.stop()).lost, []);
  });

  it('is taken from who is evicted in one subset by all others', async () => {
    const thief = await vpn.join('thief', 'asia');
    const stream = await startMemberStream(thief, laptop, { port: 7_001 });
    await stream.stop();
    await assertPartedByEviction(vpn, thief, laptop);
    assert.ok(await reaches(laptop, phone.ipv4));
  });

  it('goes again without a lost packet', async () => {
    const streams = [
      await startMemberStream(laptop, phone, { port: 7_001 }),
      await startMemberStream(phone, web, { port: 7_002 }),
    ];
    assert.match(await vpn.hanse(['vpn', 'keying', 'per-subset']), /keying of hanse is per-subset/);
    assert.equal(await keying(), 'per-subset');
    await delay(flowingMs);
    for (const stream of streams) assert.deepEqual((await stream.stop()).lost, []);
  });
});
