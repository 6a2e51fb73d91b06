import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PeerState } from '../../model/host-state.ts';
import { parsePrefix } from '../../model/prefix.ts';
import type { PresharedKey, WireguardPublicKey } from '../../model/wireguard-key.ts';
import { formatConfig, formatRemovals } from './device-config.ts';
import { isRekeyed, planPeerChanges } from './peer-changes.ts';

function peer(index: number, changes: Partial<PeerState> = {}): PeerState {
  return {
    publicKey: `key-${index}` as WireguardPublicKey,
    presharedKey: 'psk-1' as PresharedKey,
    endpoint: `192.0.2.${index % 250}:51820`,
    allowedIps: [parsePrefix(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}/32`)],
    keepaliveSeconds: 25,
    ...changes,
  };
}

const byKey = (...peers: readonly PeerState[]): Map<WireguardPublicKey, PeerState> =>
  new Map(peers.map((it) => [it.publicKey, it]));

describe('the changes of peers', () => {
  it('are none when nothing changed, also for equal copies and other orders', () => {
    const two = [parsePrefix('10.0.0.1/32'), parsePrefix('fd00::/64')];
    const before = byKey(peer(1, { allowedIps: two }), peer(2));
    const wanted = byKey(peer(2), peer(1, { allowedIps: two.toReversed() }));
    assert.deepEqual(planPeerChanges(before, wanted), { removed: [], changed: [] });
  });

  it('name an endpoint only where another one is wanted than before', () => {
    const before = byKey(peer(1), peer(2), peer(3));
    const { endpoint: _, ...silent } = peer(3, { keepaliveSeconds: 5 });
    const wanted = byKey(
      peer(1, { presharedKey: 'psk-2' as PresharedKey }),
      peer(2, { endpoint: '198.51.100.1:1' }),
      silent,
      peer(4),
    );
    const { changed } = planPeerChanges(before, wanted);
    assert.deepEqual(
      changed.map(({ peer: { publicKey }, setEndpoint }) => [publicKey, setEndpoint]),
      [
        ['key-1', false],
        ['key-2', true],
        ['key-3', false],
        ['key-4', true],
      ],
    );
  });

  it('are keys only where allowed IPs and endpoint stay', () => {
    const before = byKey(peer(1), peer(2), peer(3));
    const rekeyed = { presharedKey: 'psk-2' as PresharedKey };
    const wanted = byKey(
      peer(1, rekeyed),
      peer(2, { ...rekeyed, endpoint: '198.51.100.1:1' }),
      peer(3, { ...rekeyed, allowedIps: [parsePrefix('10.9.9.9/32')] }),
      peer(4),
    );
    const { changed } = planPeerChanges(before, wanted);
    assert.deepEqual(
      changed.map((change) => isRekeyed(before, change)),
      [true, false, false, false],
    );
  });

  it('do not come from an endpoint that is no longer wanted', () => {
    const { endpoint: _, ...silent } = peer(1);
    assert.deepEqual(planPeerChanges(byKey(peer(1)), byKey(silent)).changed, []);
  });

  it('lead from any peers to any others', () => {
    const some = fc.uniqueArray(
      fc.record({ index: fc.nat(20), keepalive: fc.integer({ min: 1, max: 3 }) }),
      { selector: ({ index }) => index },
    );
    const toMap = (list: readonly { index: number; keepalive: number }[]) =>
      byKey(...list.map(({ index, keepalive }) => peer(index, { keepaliveSeconds: keepalive })));
    fc.assert(
      fc.property(some, some, (one, other) => {
        const [before, wanted] = [toMap(one), toMap(other)];
        const { removed, changed } = planPeerChanges(before, wanted);
        for (const key of removed) assert.ok(before.delete(key));
        for (const change of changed) before.set(change.peer.publicKey, change.peer);
        assert.deepEqual(new Set(before.values()), new Set(wanted.values()));
      }),
    );
  });
});

describe('the input of wg', () => {
  it('is empty for no change', () => {
    assert.equal(formatConfig({}, []), '');
    assert.deepEqual(formatRemovals('hns0', []), []);
  });

  it('says all of a peer but what must stay', () => {
    const { keepaliveSeconds: _, ...quiet } = peer(2, { allowedIps: [] });
    const changed = [
      {
        peer: peer(1, { allowedIps: [parsePrefix('10.0.0.1/32'), parsePrefix('fd00::/64')] }),
        setEndpoint: true,
      },
      { peer: quiet, setEndpoint: false },
    ];
    assert.equal(
      formatConfig({ listenPort: 51_820 }, changed),
      [
        '[Interface]',
        'ListenPort = 51820',
        '[Peer]',
        'PublicKey = key-1',
        'PresharedKey = psk-1',
        'AllowedIPs = 10.0.0.1/32, fd00::/64',
        'Endpoint = 192.0.2.1:51820',
        'PersistentKeepalive = 25',
        '[Peer]',
        'PublicKey = key-2',
        'PresharedKey = psk-1',
        'PersistentKeepalive = off',
        '',
      ].join('\n'),
    );
  });

  it('spreads removals over command lines that are not too long', () => {
    const keys = Array.from({ length: 12_000 }, (_, index) => `key-${index}` as WireguardPublicKey);
    const commands = formatRemovals('hns0', keys);
    assert.equal(commands.length, 3);
    assert.deepEqual(commands[0]?.slice(0, 5), ['set', 'hns0', 'peer', 'key-0', 'remove']);
    assert.equal(commands.flat().filter((word) => word === 'remove').length, keys.length);
  });
});
