import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLab, type Lab } from '../../lab/lab.ts';
import { type UdpDatagram, UdpProbe } from '../../lab/udp-probe.ts';
import type { RelayKind } from '../../src/host/relay/relay.ts';
import { relayTableName } from '../../src/host/relay/relay-table.ts';
import { parseAddress } from '../../src/model/prefix.ts';
import { RelayProcess } from '../support/relay-process.ts';
import { until } from '../support/until.ts';

/*
 * The relay and a neighbour on one network, its two ends and a stranger on others; no NATs. What
 * looks like WireGuard here is text, so that it can be told who got what.
 */

const owner = `${process.pid.toString(16)}/relay`;
const ports = { first: 61_000, count: 8 };
/** Longer than any datagram takes on this machine. */
const silenceMs = 300;
const kinds: readonly RelayKind[] = ['kernel', 'user-space'];
const ends = ['left', 'right'] as const;
type Family = 'ipv4' | 'ipv6';

/** As short as a datagram of WireGuard's can be, of the type that carries packets. */
const message = (text: string): string => `\u0004\0\0\0${text.padEnd(28, '.')}`;

/** Too short, of no type, and with bytes that must be zero. */
const malformed = [
  message('short').slice(0, 31),
  message('no type').replace('\u0004', '\u0005'),
  message('not zero').replace('\u0004\0', '\u0004\u0001'),
];

const stack = new AsyncDisposableStack();
let lab: Lab;
before(async () => {
  const sites = [
    { name: 'hub', hosts: ['relay', 'neighbour'] },
    { name: 'left-net', hosts: ['left', 'stranger'] },
    { name: 'right-net', hosts: ['right'] },
  ];
  lab = stack.use(await createLab({ topology: { sites } }));
});
after(() => stack.disposeAsync());

const addressOf = (node: string, family: Family) => parseAddress(lab.node(node).address(family));
const start = (kind?: RelayKind): RelayProcess =>
  RelayProcess.start(lab.node('relay').namespace, { owner, ports, ...(kind ? { kind } : {}) });
const requestFor = (id: string, first: Family, second = first) => ({
  id,
  first: { address: addressOf('left', first) },
  second: { address: addressOf('right', second) },
});

/** Whether what was sent arrives, and from where. */
const arrival = (at: UdpProbe, text: string): Promise<UdpDatagram | undefined> =>
  at.receive(message(text), silenceMs);

/** The sockets of both ends, which reach each other through an open pair. */
async function openPair(relay: RelayProcess, id: string, first: Family, second = first) {
  const { firstPort, secondPort, kind } = await relay.open(requestFor(id, first, second));
  const towards = {
    left: { address: addressOf('relay', first), port: firstPort },
    right: { address: addressOf('relay', second), port: secondPort },
  };
  const probes = new AsyncDisposableStack();
  const [left, right] = [
    probes.use(await UdpProbe.open(lab.node('left'), 5_000)),
    probes.use(await UdpProbe.open(lab.node('right'), 6_000)),
  ];
  const say = (end: 'left' | 'right', text: string, probe = end === 'left' ? left : right): void =>
    probe.send(towards[end], message(text));
  return { kind, towards, left, right, say, [Symbol.asyncDispose]: () => probes.disposeAsync() };
}

/** Both ends have been heard. */
async function introduce(pair: Awaited<ReturnType<typeof openPair>>): Promise<void> {
  await until('the ends hear each other', async () => {
    pair.say('left', 'hello, right');
    pair.say('right', 'hello, left');
    const heard = [arrival(pair.right, 'hello, right'), arrival(pair.left, 'hello, left')];
    return (await Promise.all(heard)).every((datagram) => datagram !== undefined);
  });
}

for (const kind of kinds) {
  describe(`a relay in ${kind}`, () => {
    let relay: RelayProcess;
    before(async () => {
      relay = start(kind);
      assert.equal(await relay.kind(), kind);
    });
    after(() => relay[Symbol.asyncDispose]());

    const packetsOf = async (id: string): Promise<number> =>
      (await relay.readTraffic()).get(id)?.packets ?? 0;

    for (const family of ['ipv4', 'ipv6'] as const) {
      it(`passes on what two ends send over ${family}, as soon as both were heard`, async () => {
        await using pair = await openPair(relay, family, family);
        assert.equal(pair.kind, kind);
        pair.say('left', 'too early');
        assert.equal(await arrival(pair.right, 'too early'), undefined);
        pair.say('right', 'first');
        assert.deepEqual(await arrival(pair.left, 'first'), {
          ...pair.towards.left,
          text: message('first'),
        });
        pair.say('left', 'second');
        assert.deepEqual(await arrival(pair.right, 'second'), {
          ...pair.towards.right,
          text: message('second'),
        });
        assert.equal(await packetsOf(family), 2);

        await relay.close(family);
        for (const end of ends) pair.say(end, 'too late');
        assert.equal(await arrival(pair.left, 'too late'), undefined);
        assert.equal(await arrival(pair.right, 'too late'), undefined);
        assert.equal((await relay.readTraffic()).get(family), undefined);
      });

      it(`passes on nothing of a stranger and nothing but WireGuard over ${family}`, async () => {
        await using pair = await openPair(relay, 'strict', family);
        await introduce(pair);
        const passed = await packetsOf('strict');
        await using stranger = await UdpProbe.open(lab.node('stranger'), 5_000);
        for (const end of ends) {
          pair.say(end, 'stranger', stranger);
          for (const text of malformed) pair[end].send(pair.towards[end], text);
          pair.say(end, 'last');
        }
        for (const end of ends) {
          assert.ok(await arrival(pair[end], 'last'));
          for (const text of [message('stranger'), ...malformed])
            assert.equal(await pair[end].receive(text, silenceMs / 10), undefined, text);
        }
        assert.equal(await arrival(stranger, 'last'), undefined);
        assert.equal((await packetsOf('strict')) - passed, 2);
        await relay.close('strict');
      });

      it(`follows an end over ${family} to another port, and back`, async () => {
        await using pair = await openPair(relay, 'moving', family);
        await introduce(pair);
        await using moved = await UdpProbe.open(lab.node('left'), 5_001);
        pair.say('left', 'from elsewhere', moved);
        assert.ok(await arrival(pair.right, 'from elsewhere'));
        pair.say('right', 'to elsewhere');
        assert.ok(await arrival(moved, 'to elsewhere'));
        await until('it is back', async () => {
          pair.say('left', 'I am back');
          pair.say('right', 'welcome');
          return arrival(pair.left, 'welcome');
        });
        await relay.close('moving');
      });
    }

    it('keeps the ports of a pair that is opened again, and nothing of what was learnt', async () => {
      const request = requestFor('again', 'ipv4');
      await using pair = await openPair(relay, 'again', 'ipv4');
      await introduce(pair);
      const opened = await relay.open({ ...request, second: request.first });
      assert.deepEqual(await relay.open(request), opened);
      assert.equal(opened.firstPort, pair.towards.left.port);
      pair.say('left', 'too early');
      assert.equal(await arrival(pair.right, 'too early'), undefined);
      pair.say('right', 'heard');
      assert.ok(await arrival(pair.left, 'heard'));
      await relay.close('again');
      await relay.close('again');
    });

    it('has as many pairs as its ports suffice for, each apart from the others', async () => {
      const ids = ['a', 'b', 'c', 'd'];
      const opened = await Promise.all(ids.map((id) => relay.open(requestFor(id, 'ipv4'))));
      const taken = opened.flatMap(({ firstPort, secondPort }) => [firstPort, secondPort]);
      assert.equal(new Set(taken).size, ports.count);
      await assert.rejects(relay.open(requestFor('e', 'ipv4')), /all 4 pairs .* are open/);
      await relay.close('a');
      await using pair = await openPair(relay, 'e', 'ipv4');
      await introduce(pair);
      await Promise.all(['b', 'c', 'd', 'e'].map((id) => relay.close(id)));
    });

    it('passes on between IPv4 and IPv6, which takes user space', async () => {
      await using pair = await openPair(relay, 'mixed', 'ipv4', 'ipv6');
      assert.equal(pair.kind, 'user-space');
      await introduce(pair);
      assert.ok((await relay.readTraffic()).get('mixed'));
      await relay.close('mixed');
    });
  });
}

describe('a relay in the kernel', () => {
  const table = relayTableName(owner);
  const sh = (line: string) => lab.node('relay').run('sh', ['-c', line]);
  const forwarding = async (): Promise<string> =>
    (await sh('cat /proc/sys/net/ipv4/conf/eth0/forwarding')).stdout.trim();
  const tables = async (): Promise<string> => (await sh('nft list tables')).stdout;
  /** Whether the relay's machine forwards what the neighbour would have it forward. */
  const isRouter = async (): Promise<boolean> => {
    const address = addressOf('right', 'ipv4');
    const neighbour = lab.node('neighbour');
    const via = addressOf('relay', 'ipv4');
    await neighbour.run('ip', ['route', 'replace', `${address}/32`, 'via', via]);
    // Not a second one: it might take the way that a router tells (RFC 792, redirect).
    const { received } = await neighbour.ping(address);
    await neighbour.run('ip', ['route', 'delete', `${address}/32`]);
    return received > 0;
  };

  it('is preferred, makes no router of the machine, and leaves nothing of it', async () => {
    assert.equal(await forwarding(), '0');
    const relay = start();
    assert.equal(await relay.kind(), 'kernel');
    await relay.open(requestFor('a', 'ipv4'));
    assert.equal(await forwarding(), '1');
    assert.ok(!(await isRouter()));
    await relay[Symbol.asyncDispose]();
    assert.equal(await forwarding(), '0');
    assert.ok(!(await tables()).includes(table));
  });

  it('does not keep a machine from forwarding that comes to be a router', async () => {
    await using relay = start();
    await relay.open(requestFor('a', 'ipv4'));
    await sh('sysctl -q -w net.ipv4.ip_forward=1');
    await relay.open(requestFor('b', 'ipv4'));
    assert.ok(await isRouter());
    await relay[Symbol.asyncDispose]();
    assert.equal(await forwarding(), '1');
    await sh('sysctl -q -w net.ipv4.ip_forward=0');
  });

  it('ends the pairs of a process that was killed, and guards what that one had opened', async () => {
    const killed = start();
    await using pair = await openPair(killed, 'a', 'ipv4');
    await introduce(pair);
    await killed.kill();
    await introduce(pair);
    await using next = start();
    assert.equal(await next.kind(), 'kernel');
    pair.say('left', 'nobody listens');
    assert.equal(await arrival(pair.right, 'nobody listens'), undefined);
    assert.equal(await forwarding(), '1');
    assert.ok(!(await isRouter()));
    await next[Symbol.asyncDispose]();
    assert.equal(await forwarding(), '0');
  });

  it('makes its table anew when somebody has emptied the rules', async () => {
    await using relay = start();
    await using pair = await openPair(relay, 'a', 'ipv4');
    await introduce(pair);
    await sh('nft flush ruleset');
    await relay.open(requestFor('b', 'ipv4'));
    await introduce(pair);
    await sh('nft flush ruleset');
    await relay.close('b');
    await introduce(pair);
    await sh('nft flush ruleset');
    await relay.readTraffic();
    await introduce(pair);
  });

  it('learns an end anew ten times a second at most, from however many ports it sends', async () => {
    await using relay = start();
    await using pair = await openPair(relay, 'a', 'ipv4');
    await introduce(pair);
    const { address, port } = pair.towards.left;
    const send = `printf '\\4\\0\\0\\0%040d' 0 > /dev/udp/${address}/${port}`;
    await lab.node('left').run('bash', ['-c', `for i in {1..200}; do ${send}; done`]);
    const { stdout } = await sh(`nft -j list set inet ${table} current`);
    const learnt = stdout.match(/"concat"/g)?.length ?? 0;
    assert.ok(learnt > 5 && learnt < 40, `${learnt} learnt`);
    await introduce(pair);
  });

  it('leaves it to user space where others drop what is forwarded', async () => {
    const chain = 'chain ip host forward { type filter hook forward priority 0; policy drop; }';
    await sh(`nft 'add table ip host; add ${chain}'`);
    await using relay = start();
    assert.equal(await relay.kind(), 'user-space');
    await using pair = await openPair(relay, 'a', 'ipv4');
    await introduce(pair);
    await sh('nft delete table ip host');
  });

  for (const [how, takeAway] of [
    ['by whoever takes the machine out of use', (next: RelayProcess) => next.remove()],
    ['by the next one in user space', (next: RelayProcess) => next.kind()],
  ] as const) {
    it(`that was killed is taken away whole ${how}`, async () => {
      const killed = start('kernel');
      await killed.open(requestFor('a', 'ipv4'));
      await killed.kill();
      assert.equal(await forwarding(), '1');
      assert.ok((await tables()).includes(table));
      const next = start('user-space');
      await takeAway(next);
      assert.equal(await forwarding(), '0');
      assert.ok(!(await tables()).includes(table));
      await takeAway(next);
      await next.kill();
    });
  }
});
