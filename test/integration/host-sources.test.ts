import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { interfaceName } from '../../src/host/interface-name.ts';
import type { HostState, InterfaceState, SourceState } from '../../src/model/host-state.ts';
import { parseAddress, parsePrefix } from '../../src/model/prefix.ts';
import { HostProcess } from '../support/host-process.ts';
import { createNamespace, type NetworkNamespace } from '../support/network-namespace.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { generateKeys } from '../support/wireguard-peer.ts';

const vpnId = process.pid.toString(16).padStart(8, '0');
const prefixes = ['100.64.0.0/10', 'fd12:3456:789a::/48'].map(parsePrefix);
const far = ['100.64.99.9', 'fd12:3456:789a:9::9'];
const own = {
  one: ['100.64.0.2', 'fd12:3456:789a:1::2'].map(parseAddress),
  other: ['100.64.8.7', 'fd12:3456:789a:2::7'].map(parseAddress),
};
type Side = keyof typeof own;
const nameOf = (side: Side): string => interfaceName({ vpnId, node: side, pathClass: 'acting' });

function routesBy(side: Side) {
  const [ipv4, ipv6] = own[side];
  return prefixes.map((destination, index) => {
    const source = index === 0 ? ipv4 : ipv6;
    return { destination, ...(source ? { source } : {}) };
  });
}

function interfaceOf(side: Side, hasRoutes: boolean): InterfaceState {
  const { privateKey } = generateKeys();
  const routes = hasRoutes ? routesBy(side) : [];
  return {
    name: nameOf(side),
    privateKey,
    mtuBytes: 1_420,
    addresses: own[side],
    peers: [],
    routes,
  };
}

function sourceOf(side: Side): SourceState {
  const routes = routesBy(side).map((route) => ({ ...route, interfaceName: nameOf(side) }));
  return { addresses: own[side], routes };
}

/** Two memberships, of which the first has the main table. */
function stateOf(first: Side, second: Side): HostState {
  return {
    interfaces: [interfaceOf(first, true), interfaceOf(second, false)],
    sources: [sourceOf(first), sourceOf(second)],
  };
}

describe('a host with several addresses in one VPN', () => {
  let namespace: NetworkNamespace;
  let notesDirectory: string;
  const stack = new AsyncDisposableStack();

  before(async () => {
    namespace = stack.use(await createNamespace('several'));
    notesDirectory = stack.use(await temporaryDirectory()).path;
  });
  after(() => stack.disposeAsync());

  const start = (owner = 'several'): HostProcess =>
    HostProcess.start({ namespace: namespace.name, owner: `${vpnId}/${owner}`, notesDirectory });

  /** By which interface a packet leaves, and from which address when it has none. */
  async function wayTo(address: string, from?: string) {
    const line = `ip -j route get ${address}${from === undefined ? '' : ` from ${from}`}`;
    const [way] = JSON.parse(await namespace.sh(line));
    return [way.dev, from ?? way.prefsrc];
  }

  async function assertWays(first: Side): Promise<void> {
    for (const [index, address] of far.entries()) {
      for (const side of ['one', 'other'] as const) {
        const from = own[side][index];
        assert.deepEqual(await wayTo(address, from), [nameOf(side), from]);
      }
      assert.deepEqual(await wayTo(address), [nameOf(first), own[first][index]]);
    }
  }

  const readRules = async (): Promise<string[]> => {
    const both = `${await namespace.sh('ip rule')}${await namespace.sh('ip -6 rule')}`;
    return both.split('\n').filter((line) => line.startsWith('10104:'));
  };
  const readRoutes = (): Promise<string> =>
    Promise.all(
      ['-4', '-6'].map((family) => namespace.sh(`ip ${family} route show table all proto 104`)),
    ).then((found) => found.join(''));

  it('sends from each by its own interface, whichever has the routes of the rest', async () => {
    await using host = start();
    await host.apply(stateOf('one', 'other'));
    await assertWays('one');
    await host.apply(stateOf('other', 'one'));
    await assertWays('other');
    assert.equal((await readRules()).length, 4);
    await host.destroy();
    assert.deepEqual([await readRules(), await readRoutes()], [[], '']);
  });

  it('finds its rules when it was killed, and takes away those that nobody wants any more', async () => {
    const killed = start();
    await killed.apply(stateOf('one', 'other'));
    const before = [await readRules(), await readRoutes()];
    await killed.kill();
    await using next = start();
    await next.apply(stateOf('one', 'other'));
    assert.deepEqual([await readRules(), await readRoutes()], before);
    await next.kill();
    await using last = start();
    await last.apply({ interfaces: [interfaceOf('other', true)] });
    assert.deepEqual(await readRules(), []);
    assert.deepEqual(await wayTo('100.64.99.9'), [nameOf('other'), '100.64.8.7']);
    assert.doesNotMatch(await readRoutes(), /table/);
    await last.destroy();
  });

  it('leaves the rules of others alone', async () => {
    const foreign = 'from 100.64.0.2 lookup 77 priority 10104 protocol 104';
    await namespace.sh(`ip rule add ${foreign}`);
    await using host = start();
    await using stranger = start('stranger');
    await host.apply(stateOf('one', 'other'));
    await stranger.destroy();
    assert.equal((await readRules()).length, 5);
    await host.destroy();
    assert.equal((await readRules()).length, 1);
    await namespace.sh(`ip rule delete ${foreign}`);
  });
});
