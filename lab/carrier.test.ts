import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLab } from './lab.ts';
import type { CarrierSpec, Topology } from './topology.ts';
import { UdpProbe } from './udp-probe.ts';

/** Longer than any datagram takes on this machine. */
const silenceMs = 300;

const twoHomesBehind = (carrier: Omit<CarrierSpec, 'name'>): Topology => ({
  carriers: [{ name: 'telco', ...carrier }],
  sites: [
    { name: 'fra', hosts: ['server', 'stranger'] },
    { name: 'home', nat: 'port-restricted', carrier: 'telco', hosts: ['laptop'], ipv6: true },
    { name: 'cabin', nat: 'full-cone', carrier: 'telco', hosts: ['phone'] },
  ],
});

test('behind a carrier, two NATs translate, and the outer one is seen', async () => {
  await using lab = await createLab({ topology: twoHomesBehind({ nat: 'port-restricted' }) });
  const [server, laptop] = [lab.node('server'), lab.node('laptop')];
  assert.equal(lab.node('home').address('ipv4'), '100.64.4.11');
  assert.equal((await laptop.ping(server.address('ipv4'))).received, 1);
  await using inside = await UdpProbe.open(laptop, 4_000);
  await using outside = await UdpProbe.open(server, 5_000);
  inside.send({ address: server.address('ipv4'), port: 5_000 }, 'hello');
  const mapping = await outside.receive('hello');
  assert.deepEqual([mapping?.address, mapping?.port], [lab.node('telco').address('ipv4'), 4_000]);
  if (mapping) outside.send(mapping, 'answer');
  assert.ok(await inside.receive('answer'));
});

test('the stricter NAT of the two decides who gets in, and either can forget', async () => {
  await using lab = await createLab({ topology: twoHomesBehind({ nat: 'address-restricted' }) });
  const server = lab.node('server');
  await using phone = await UdpProbe.open(lab.node('phone'), 4_000);
  await using outside = await UdpProbe.open(server, 5_000);
  await using stranger = await UdpProbe.open(lab.node('stranger'), 5_000);
  phone.send({ address: server.address('ipv4'), port: 5_000 }, 'hello');
  const hole = await outside.receive('hello');
  assert.ok(hole);
  await using otherPort = await UdpProbe.open(server, 5_001);
  otherPort.send(hole, 'from another port');
  assert.ok(await phone.receive('from another port'));
  stranger.send(hole, 'from a stranger');
  assert.equal(await phone.receive('from a stranger', silenceMs), undefined);
  await lab.node('telco').forgetMappings();
  outside.send(hole, 'forgotten');
  assert.equal(await phone.receive('forgotten', silenceMs), undefined);
});

for (const hairpin of [true, false]) {
  test(`customers of one carrier ${hairpin ? 'meet' : 'miss'} each other at its outside`, async () => {
    const carrier = { nat: 'full-cone', hairpin } as const;
    await using lab = await createLab({ topology: twoHomesBehind(carrier) });
    const [server, telco] = [lab.node('server'), lab.node('telco')];
    await using laptop = await UdpProbe.open(lab.node('laptop'), 4_001);
    await using phone = await UdpProbe.open(lab.node('phone'), 4_002);
    await using outside = await UdpProbe.open(server, 5_000);
    phone.send({ address: server.address('ipv4'), port: 5_000 }, 'hello');
    const hole = await outside.receive('hello');
    assert.ok(hole);
    laptop.send(hole, 'hairpin');
    const arrived = await phone.receive('hairpin', hairpin ? undefined : silenceMs);
    assert.equal(arrived?.address, hairpin ? telco.address('ipv4') : undefined);
    if (!arrived) return;
    phone.send(arrived, 'back');
    assert.ok(await laptop.receive('back'));
  });
}

test('a carrier routes the IPv6 of its customers both ways, and their routers shield it', async () => {
  await using lab = await createLab({ topology: twoHomesBehind({ nat: 'symmetric' }) });
  const [server, laptop, home] = [lab.node('server'), lab.node('laptop'), lab.node('home')];
  assert.equal((await laptop.ping(server.address('ipv6'))).received, 1);
  assert.equal((await server.ping(home.address('ipv6'))).received, 1);
  assert.equal((await server.ping(laptop.address('ipv6'), { timeoutMs: silenceMs })).received, 0);
});
