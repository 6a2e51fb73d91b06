import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab, type Lab } from './lab.ts';
import { LabError } from './lab-error.ts';
import type { NatKind } from './nat-rules.ts';
import type { SiteSpec, Topology } from './topology.ts';
import { type UdpEndpoint, UdpProbe } from './udp-probe.ts';

/** Longer than any datagram takes on this machine. */
const silenceMs = 300;

const homeAnd = (home: Omit<SiteSpec, 'name' | 'hosts'>): Topology => ({
  sites: [
    { name: 'one', hosts: ['server-1'] },
    { name: 'two', hosts: ['server-2'] },
    { name: 'home', hosts: ['inside-1', 'inside-2'], ...home },
  ],
});

const endpointOf = (lab: Lab, node: string, port: number): UdpEndpoint => ({
  address: lab.node(node).address('ipv4'),
  port,
});

interface KindCase {
  readonly oneMapping: boolean;
  readonly admitsStrangers: boolean;
  readonly admitsOtherPorts: boolean;
}

/** RFC 4787 §4.1 and §5. */
const kinds: Record<Exclude<NatKind, 'none'>, KindCase> = {
  'full-cone': { oneMapping: true, admitsStrangers: true, admitsOtherPorts: true },
  'address-restricted': { oneMapping: true, admitsStrangers: false, admitsOtherPorts: true },
  'port-restricted': { oneMapping: true, admitsStrangers: false, admitsOtherPorts: false },
  symmetric: { oneMapping: false, admitsStrangers: false, admitsOtherPorts: false },
};

for (const [kind, expected] of Object.entries(kinds) as [Exclude<NatKind, 'none'>, KindCase][]) {
  test(`a NAT that is ${kind} maps and filters as that says`, async () => {
    await using lab = await createLab({ topology: homeAnd({ nat: kind }) });
    await using inside = await UdpProbe.open(lab.node('inside-1'), 4_000);
    await using server1 = await UdpProbe.open(lab.node('server-1'), 5_000);
    await using otherPort = await UdpProbe.open(lab.node('server-1'), 5_001);
    await using server2 = await UdpProbe.open(lab.node('server-2'), 5_000);

    inside.send(endpointOf(lab, 'server-1', 5_000), 'to 1');
    const mapping = await server1.receive('to 1');
    assert.equal(mapping?.address, lab.node('home').address('ipv4'));
    if (expected.oneMapping) assert.equal(mapping.port, 4_000);
    server1.send(mapping, 'answer');
    assert.ok(await inside.receive('answer'));

    otherPort.send(mapping, 'from another port');
    server2.send(mapping, 'from a stranger');
    const [fromOtherPort, fromStranger] = await Promise.all(
      ['from another port', 'from a stranger'].map((text) => inside.receive(text, silenceMs)),
    );
    assert.equal(fromOtherPort !== undefined, expected.admitsOtherPorts);
    assert.equal(fromStranger !== undefined, expected.admitsStrangers);

    inside.send(endpointOf(lab, 'server-2', 5_000), 'to 2');
    const second = await server2.receive('to 2');
    assert.equal(second?.port === mapping.port, expected.oneMapping);
  });
}

for (const kind of ['full-cone', 'address-restricted', 'port-restricted'] as const) {
  test(`two hosts with one source port have two mappings at a NAT that is ${kind}`, async () => {
    await using lab = await createLab({ topology: homeAnd({ nat: kind }) });
    await using first = await UdpProbe.open(lab.node('inside-1'), 4_000);
    await using second = await UdpProbe.open(lab.node('inside-2'), 4_000);
    await using server1 = await UdpProbe.open(lab.node('server-1'), 5_000);
    await using server2 = await UdpProbe.open(lab.node('server-2'), 5_000);
    first.send(endpointOf(lab, 'server-1', 5_000), 'first to 1');
    assert.equal((await server1.receive('first to 1'))?.port, 4_000);
    second.send(endpointOf(lab, 'server-2', 5_000), 'second to 2');
    const mapping = await server2.receive('second to 2');
    assert.ok(mapping && mapping.port !== 4_000);
    second.send(endpointOf(lab, 'server-1', 5_000), 'second to 1');
    assert.equal((await server1.receive('second to 1'))?.port, mapping.port);
    server2.send(mapping, 'answer to the second');
    assert.ok(await second.receive('answer to the second'));
  });
}

test('a packet that was not admitted costs the host behind the NAT nothing', async () => {
  await using lab = await createLab({ topology: homeAnd({ nat: 'port-restricted' }) });
  await using inside = await UdpProbe.open(lab.node('inside-1'), 4_000);
  await using server = await UdpProbe.open(lab.node('server-1'), 5_000);
  const hole = endpointOf(lab, 'home', 4_000);
  server.send(hole, 'too early');
  assert.equal(await inside.receive('too early', silenceMs), undefined);
  inside.send(endpointOf(lab, 'server-1', 5_000), 'punch');
  assert.equal((await server.receive('punch'))?.port, 4_000);
  server.send(hole, 'in time');
  assert.ok(await inside.receive('in time'));
});

for (const hairpin of [true, false]) {
  test(`a NAT ${hairpin ? 'with' : 'without'} hairpins ${hairpin ? 'turns' : 'drops'} them`, async () => {
    await using lab = await createLab({ topology: homeAnd({ nat: 'full-cone', hairpin }) });
    await using first = await UdpProbe.open(lab.node('inside-1'), 4_001);
    await using second = await UdpProbe.open(lab.node('inside-2'), 4_002);
    await using server = await UdpProbe.open(lab.node('server-1'), 5_000);
    second.send(endpointOf(lab, 'server-1', 5_000), 'hello');
    assert.ok(await server.receive('hello'));
    first.send(endpointOf(lab, 'home', 4_002), 'hairpin');
    const arrived = await second.receive('hairpin', hairpin ? undefined : silenceMs);
    assert.deepEqual(
      arrived && { address: arrived.address, port: arrived.port },
      hairpin ? endpointOf(lab, 'home', 4_001) : undefined,
    );
    if (!arrived) return;
    second.send(arrived, 'back');
    assert.equal((await first.receive('back'))?.port, 4_002);
  });
}

test('a hairpin must be admitted as any other packet', async () => {
  await using lab = await createLab({
    topology: homeAnd({ nat: 'port-restricted', hairpin: true }),
  });
  await using first = await UdpProbe.open(lab.node('inside-1'), 4_001);
  await using second = await UdpProbe.open(lab.node('inside-2'), 4_002);
  await using server = await UdpProbe.open(lab.node('server-1'), 5_000);
  for (const [index, probe] of [first, second].entries()) {
    probe.send(endpointOf(lab, 'server-1', 5_000), `hello ${index}`);
    assert.ok(await server.receive(`hello ${index}`));
  }
  first.send(endpointOf(lab, 'home', 4_002), 'too early');
  assert.equal(await second.receive('too early', silenceMs), undefined);
  second.send(endpointOf(lab, 'home', 4_001), 'admitted');
  assert.ok(await first.receive('admitted'));
  first.send(endpointOf(lab, 'home', 4_002), 'in time');
  assert.ok(await second.receive('in time'));
});

test('a mapping ends with its time, and only what comes from inside prolongs it', async () => {
  await using lab = await createLab({
    topology: homeAnd({ nat: 'port-restricted', mappingSeconds: 3 }),
  });
  await using inside = await UdpProbe.open(lab.node('inside-1'), 4_000);
  await using server = await UdpProbe.open(lab.node('server-1'), 5_000);
  for (const startMs = performance.now(); performance.now() < startMs + 4_000; await delay(200)) {
    inside.send(endpointOf(lab, 'server-1', 5_000), 'hello');
  }
  const mapping = await server.receive('hello');
  assert.ok(mapping);
  const answered = await answersUntilSilence(server, mapping, inside);
  assert.ok(answered > 0 && answered < Number.POSITIVE_INFINITY, `${answered} answers passed`);
});

/** How many come through before the first that does not; infinitely many after ten seconds. */
async function answersUntilSilence(
  from: UdpProbe,
  mapping: UdpEndpoint,
  to: UdpProbe,
): Promise<number> {
  const deadlineMs = performance.now() + 10_000;
  for (let answered = 0; performance.now() < deadlineMs; answered += 1) {
    from.send(mapping, `answer ${answered}`);
    if (!(await to.receive(`answer ${answered}`, silenceMs))) return answered;
    await delay(100);
  }
  return Number.POSITIVE_INFINITY;
}

test('a NAT that forgets admits nobody until its hosts have sent again', async () => {
  await using lab = await createLab({ topology: homeAnd({ nat: 'symmetric' }) });
  await using inside = await UdpProbe.open(lab.node('inside-1'), 4_000);
  await using server = await UdpProbe.open(lab.node('server-1'), 5_000);
  const ports = new Set<number>();
  for (const round of [1, 2, 3]) {
    inside.send(endpointOf(lab, 'server-1', 5_000), `hello ${round}`);
    const mapping = await server.receive(`hello ${round}`);
    assert.ok(mapping && !ports.has(mapping.port), 'every memory has its own ports');
    ports.add(mapping.port);
    server.send(mapping, `answer ${round}`);
    assert.ok(await inside.receive(`answer ${round}`));
    await lab.node('home').forgetMappings();
    server.send(mapping, `too late ${round}`);
    assert.equal(await inside.receive(`too late ${round}`, silenceMs), undefined);
  }
});

test('only a NAT can forget', async () => {
  await using lab = await createLab({ topology: homeAnd({}) });
  await assert.rejects(
    lab.node('home').forgetMappings(),
    (error) => error instanceof LabError && error.code === 'no-nat',
  );
});

for (const kind of ['full-cone', 'address-restricted', 'port-restricted', 'symmetric'] as const) {
  test(`hosts may have IPv6, and are answered only, behind a NAT that is ${kind}`, async () => {
    await using lab = await createLab({ topology: homeAnd({ nat: kind, ipv6: true }) });
    const [inside, server] = [lab.node('inside-1'), lab.node('server-1')];
    assert.equal((await inside.ping(server.address('ipv6'))).received, 1);
    assert.equal((await inside.ping(server.address('ipv4'))).received, 1);
    const silent = { timeoutMs: silenceMs };
    assert.equal((await server.ping(inside.address('ipv6'), silent)).received, 0);
    await using outer = await UdpProbe.open(server, 5_000);
    await using inner = await UdpProbe.open(inside, 4_000);
    outer.send({ address: inside.address('ipv6'), port: 4_000 }, 'too early');
    assert.equal(await inner.receive('too early', silenceMs), undefined);
    inner.send({ address: server.address('ipv6'), port: 5_000 }, 'punch');
    const punched = await outer.receive('punch');
    assert.deepEqual([punched?.address, punched?.port], [inside.address('ipv6'), 4_000]);
  });
}
