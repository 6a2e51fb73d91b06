import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLab } from './lab.ts';
import { LabError, type LabErrorCode } from './lab-error.ts';
import type { LinkSpec, Topology } from './topology.ts';
import { UdpProbe } from './udp-probe.ts';

/** Longer than any datagram takes on this machine. */
const silenceMs = 300;

const withLaptop = (link: LinkSpec = {}): Topology => ({
  sites: [
    { name: 'fra', hosts: ['server'] },
    { name: 'home', nat: 'port-restricted', hosts: [{ name: 'laptop', link }, 'printer'] },
    { name: 'cafe', nat: 'symmetric', ipv6: true, hosts: ['guest'] },
  ],
});

for (const delayable of [false, true]) {
  const kind = delayable ? 'delayable' : 'plain';
  test(`a host on a ${kind} link roams and comes home while its programs run on`, async () => {
    await using lab = await createLab({ topology: withLaptop({ delayable, rateMbit: 50 }) });
    const [server, laptop] = [lab.node('server'), lab.node('laptop')];
    const homeAddress = laptop.address('ipv4');
    await using probe = await UdpProbe.open(laptop, 4_000);
    await using outside = await UdpProbe.open(server, 5_000);
    for (const site of ['cafe', 'home', 'fra', 'home']) {
      await lab.roam('laptop', { to: site });
      probe.send({ address: server.address('ipv4'), port: 5_000 }, `from ${site}`);
      const seen = await outside.receive(`from ${site}`);
      const outer = site === 'fra' ? laptop : lab.node(site);
      assert.equal(seen?.address, outer.address('ipv4'), site);
      if (seen) outside.send(seen, `to ${site}`);
      assert.ok(await probe.receive(`to ${site}`), site);
    }
    assert.equal(laptop.address('ipv4'), homeAddress);
  });
}

test('a host takes on the addresses of a site, and no others keep them', async () => {
  await using lab = await createLab({ topology: withLaptop() });
  const [laptop, guest] = [lab.node('laptop'), lab.node('guest')];
  await lab.roam('laptop', { to: 'cafe' });
  assert.deepEqual(laptop.addresses, ['192.168.3.13', '2001:db8:3::d']);
  const { stdout } = await laptop.run('ip', ['-br', 'address', 'show', 'scope', 'global']);
  assert.match(stdout, /^eth0\S* +UP +192\.168\.3\.13\/24 2001:db8:3::d\/64 *$/m);
  for (const family of ['ipv4', 'ipv6'] as const) {
    assert.equal((await guest.ping(laptop.address(family))).received, 1, family);
  }
  await lab.roam('laptop', { to: 'home' });
  assert.deepEqual(laptop.addresses, ['192.168.2.11']);
  assert.equal((await lab.node('printer').ping(laptop.address('ipv4'))).received, 1);
  assert.equal((await guest.ping('192.168.3.13', { timeoutMs: silenceMs })).received, 0);
});

test('a link that roams is whole, keeps its rate, and can be cut at its new place', async () => {
  await using lab = await createLab({ topology: withLaptop({ rateMbit: 50 }) });
  const [laptop, guest] = [lab.node('laptop'), lab.node('guest')];
  await lab.link('laptop').cut();
  await lab.roam('laptop', { to: 'cafe' });
  assert.equal((await guest.ping(laptop.address('ipv4'))).received, 1);
  for (const node of [laptop, lab.node('cafe')]) {
    assert.match((await node.run('tc', ['qdisc'])).stdout, /tbf .* rate 50Mbit/);
  }
  await lab.link('laptop').unplug();
  assert.equal((await guest.ping(laptop.address('ipv4'), { timeoutMs: silenceMs })).received, 0);
  await lab.link('laptop').restore();
  assert.equal((await guest.ping(laptop.address('ipv4'))).received, 1);
});

test('only hosts roam, and only to sites', async () => {
  await using lab = await createLab({
    topology: { ...withLaptop(), carriers: [{ name: 'telco', nat: 'symmetric' }] },
  });
  const refusals: [string, string, LabErrorCode][] = [
    ['home', 'cafe', 'cannot-roam'],
    ['laptop', 'telco', 'cannot-roam'],
    ['laptop', 'server', 'cannot-roam'],
    ['laptop', 'nowhere', 'unknown-node'],
    ['nobody', 'cafe', 'unknown-node'],
  ];
  for (const [host, to, code] of refusals) {
    await assert.rejects(
      lab.roam(host, { to }),
      (error) => error instanceof LabError && error.code === code,
    );
  }
});
