import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLab } from './lab.ts';
import { LabError } from './lab-error.ts';
import type { Topology } from './topology.ts';

const threeSites: Topology = {
  sites: [
    { name: 'fra', hosts: ['master-1', 'a'] },
    { name: 'nyc', hosts: ['b'] },
    { name: 'home', nat: 'port-restricted', hosts: ['c', 'd'] },
  ],
};

const reportsPeer = `require('node:net').createServer((socket) => {
  console.log('from', socket.remoteAddress); socket.end();
}).listen(5000, '0.0.0.0', () => console.log('listening'))`;
const connects = `require('node:net').connect(5000, process.argv[1]).resume()`;
const receivesDatagram = `const socket = require('node:dgram').createSocket('udp4');
socket.on('message', () => console.log('received')).bind(5001, () => console.log('listening'))`;
const sendsDatagram = `const socket = require('node:dgram').createSocket('udp4');
socket.send('x', 5001, process.argv[1], () => socket.close())`;

/** Long enough for any answer on this machine, and not waited for when one comes. */
const silenceMs = 300;

test('hosts of different sites reach one another by both families', async () => {
  await using lab = await createLab({ topology: threeSites });
  const [a, b] = [lab.node('a'), lab.node('b')];
  for (const family of ['ipv4', 'ipv6'] as const) {
    assert.equal((await a.ping(b.address(family))).received, 1, family);
    assert.equal((await b.ping(a.address(family))).received, 1, family);
    assert.equal((await a.ping(lab.node('nyc').address(family))).received, 1, `router ${family}`);
  }
});

test('a NAT lets its hosts out and the answers back, and nobody in', async () => {
  await using lab = await createLab({ topology: threeSites });
  const [a, c, d] = [lab.node('a'), lab.node('c'), lab.node('d')];
  assert.equal((await c.ping(a.address('ipv4'))).received, 1);
  assert.equal((await c.ping(d.address('ipv4'))).received, 1, 'its own LAN');
  assert.equal((await a.ping(c.address('ipv4'), { timeoutMs: silenceMs })).received, 0);
});

test('others see the address of the NAT', async () => {
  await using lab = await createLab({ topology: threeSites });
  const [a, c] = [lab.node('a'), lab.node('c')];
  await using server = await a.start(process.execPath, ['-e', reportsPeer]);
  await server.waitForOutput(/listening/, 5_000);
  await c.run(process.execPath, ['-e', connects, a.address('ipv4')]);
  const [, peer] = await server.waitForOutput(/from (\S+)/, 5_000);
  assert.equal(peer, lab.node('home').address('ipv4'));
});

test('a machine that crashes runs nothing any more, and others run on', async () => {
  await using lab = await createLab({ topology: threeSites });
  const [a, b] = [lab.node('a'), lab.node('b')];
  const [one, two] = [await a.start('sleep', ['60']), await a.start('sleep', ['60'])];
  const other = await b.start('sleep', ['60']);
  await a.crash();
  assert.deepEqual([await one.isRunning(), await two.isRunning()], [false, false]);
  assert.equal(await other.isRunning(), true);
  assert.equal((await b.ping(a.address('ipv4'))).received, 1, 'its network is another matter');
});

test('a cut link is silent and keeps its carrier, and carries again when restored', async () => {
  await using lab = await createLab({ topology: threeSites });
  const [a, b] = [lab.node('a'), lab.node('b')];
  await lab.link('nyc').cut();
  assert.equal((await a.ping(b.address('ipv4'), { timeoutMs: silenceMs })).received, 0);
  assert.match((await lab.node('nyc').run('ip', ['link', 'show', 'uplink'])).stdout, /LOWER_UP/);
  await lab.link('nyc').restore();
  assert.equal((await a.ping(b.address('ipv4'))).received, 1);
});

test('a link can be cut in one direction only', async () => {
  await using lab = await createLab({ topology: threeSites });
  const [a, b] = [lab.node('a'), lab.node('b')];
  await using receiver = await b.start(process.execPath, ['-e', receivesDatagram]);
  await receiver.waitForOutput(/listening/, 5_000);
  await lab.link('nyc').cut('up');
  await a.run(process.execPath, ['-e', sendsDatagram, b.address('ipv4')]);
  await receiver.waitForOutput(/received/, 5_000);
  assert.equal((await a.ping(b.address('ipv4'), { timeoutMs: silenceMs })).received, 0);
});

for (const delayable of [false, true]) {
  const kind = delayable ? 'delayable' : 'plain';
  test(`an unplugged ${kind} link loses its carrier, and its routes come back with it`, async () => {
    const site = { name: 'nyc', hosts: ['b'], uplink: { delayable } };
    await using lab = await createLab({
      topology: { sites: [{ name: 'fra', hosts: ['a'] }, site] },
    });
    const [a, b] = [lab.node('a'), lab.node('b')];
    await lab.link('nyc').unplug();
    assert.match(
      (await lab.node('nyc').run('ip', ['link', 'show', 'uplink'])).stdout,
      /NO-CARRIER/,
    );
    assert.equal((await a.ping(b.address('ipv4'), { timeoutMs: silenceMs })).received, 0);
    await lab.link('nyc').restore();
    for (const family of ['ipv4', 'ipv6'] as const) {
      assert.equal((await a.ping(b.address(family))).received, 1, family);
    }
  });
}

test('a slow link lets about its rate through', async () => {
  await using lab = await createLab({ topology: threeSites });
  await lab.link('b').shape({ rateMbit: 20 });
  await using server = await lab.node('b').start('iperf3', ['-s', '--forceflush']);
  await server.waitForOutput(/listening/, 5_000);
  const { stdout } = await lab
    .node('a')
    .run('iperf3', ['-c', lab.node('b').address('ipv4'), '-t', '1', '--json']);
  const mbit = JSON.parse(stdout).end.sum_received.bits_per_second / 1e6;
  assert.ok(mbit > 8 && mbit < 24, `${mbit} Mbit/s through a link of 20`);
});

test('a delayed link delays both ways, and stops when told to', async () => {
  await using lab = await createLab({
    topology: {
      sites: [
        { name: 'fra', hosts: ['a'], uplink: { delayMs: 15 } },
        { name: 'nyc', hosts: [{ name: 'b', link: { delayable: true } }] },
      ],
    },
  });
  const roundTripMs = async () =>
    Math.min(
      ...(await lab.node('a').ping(lab.node('b').address('ipv4'), { count: 5 })).roundTripsMs,
    );
  const oneDelayMs = await roundTripMs();
  assert.ok(oneDelayMs >= 30 && oneDelayMs < 60, `${oneDelayMs} ms over a delay of 15`);
  await lab.link('b').shape({ delayMs: 30 });
  const twoDelaysMs = await roundTripMs();
  assert.ok(twoDelaysMs >= 90 && twoDelaysMs < 130, `${twoDelaysMs} ms over delays of 15 and 30`);
  await lab.link('b').shape({}, 'up');
  const threeWaysMs = await roundTripMs();
  assert.ok(threeWaysMs >= 60 && threeWaysMs < 85, `${threeWaysMs} ms over 15, 15 and 30`);
  await lab.link('b').shape({});
  await lab.link('fra').shape({});
  const plainMs = await roundTripMs();
  assert.ok(plainMs < 10, `${plainMs} ms over no delay`);
});

test('a link that loses everything lets nothing through, and one that loses a third, some', async () => {
  const sites = [
    { name: 'fra', hosts: ['a'], uplink: { lossPercent: 100 } },
    { name: 'nyc', hosts: ['b'] },
  ];
  await using lab = await createLab({ topology: { sites } });
  const [a, b] = [lab.node('a'), lab.node('b')];
  assert.equal((await a.ping(b.address('ipv4'), { timeoutMs: silenceMs })).received, 0);
  await lab.link('fra').shape({ lossPercent: 30 });
  const options = { count: 100, intervalMs: 5, timeoutMs: silenceMs };
  const { received } = await a.ping(b.address('ipv4'), options);
  // 49 of 100 come back on average; these bounds are more than five standard deviations away.
  assert.ok(received > 20 && received < 78, `${received} of 100 came back`);
});

test('a link that was not declared delayable says so', async () => {
  await using lab = await createLab({ topology: { sites: [{ name: 'fra', hosts: [] }] } });
  await assert.rejects(
    lab.link('fra').shape({ delayMs: 1 }),
    (error) => error instanceof LabError && error.code === 'not-delayable',
  );
});

test('an unknown name is answered with the known ones', async () => {
  await using lab = await createLab({ topology: { sites: [{ name: 'fra', hosts: ['a'] }] } });
  assert.throws(() => lab.node('b'), /no node b: it has internet, fra, a/);
  assert.throws(() => lab.link('internet'), /no link internet: it has fra, a/);
});

test('labs run side by side with the same names and addresses', async () => {
  const labs = await Promise.all([1, 2, 3].map(() => createLab({ topology: threeSites })));
  try {
    await labs[0]?.link('nyc').cut();
    const received = await Promise.all(
      labs.map(async (lab) => {
        const address = lab.node('b').address('ipv4');
        return (await lab.node('a').ping(address, { timeoutMs: silenceMs })).received;
      }),
    );
    assert.deepEqual(received, [0, 1, 1]);
  } finally {
    await Promise.all(labs.map((lab) => lab[Symbol.asyncDispose]()));
  }
});
