import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { PeerState } from '../../model/host-state.ts';
import { parsePrefix } from '../../model/prefix.ts';
import type { PresharedKey, WireguardPublicKey } from '../../model/wireguard-key.ts';
import { formatConfig, formatRemovals } from './device-config.ts';
import { type AdoptedPeer, adoptPeer } from './device-dump.ts';
import { type PeerChanges, planPeerChanges } from './peer-changes.ts';

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

const rekeyed = { presharedKey: 'psk-2' as PresharedKey };
const keysOf = ({ changed }: PeerChanges) => changed.map(({ peer: { publicKey } }) => publicKey);

describe('the changes of peers', () => {
  it('are none when nothing changed, also for equal copies and other orders', () => {
    const two = [parsePrefix('10.0.0.1/32'), parsePrefix('fd00::/64')];
    const before = [peer(1, { allowedIps: two }), peer(2)];
    const none = { removed: [], changed: [] };
    assert.deepEqual(planPeerChanges(before, before), none);
    assert.deepEqual(planPeerChanges(before, before.toReversed()), none);
    const copies = [peer(2), peer(1, { allowedIps: two.toReversed() })];
    assert.deepEqual(planPeerChanges(before, copies), none);
  });

  it('are the one peer that comes, goes or is replaced among others', () => {
    const before = [peer(1), peer(2), peer(3)];
    const added = { peer: peer(4), setEndpoint: true, isRekeyed: false };
    assert.deepEqual(planPeerChanges(before, [...before, added.peer]), {
      removed: [],
      changed: [added],
    });
    assert.deepEqual(planPeerChanges(before, before.toSpliced(1, 1)), {
      removed: ['key-2'],
      changed: [],
    });
    assert.deepEqual(planPeerChanges(before, before.with(1, added.peer)), {
      removed: ['key-2'],
      changed: [added],
    });
    const renewed = peer(2, { keepaliveSeconds: 5 });
    assert.deepEqual(planPeerChanges(before, [...before.toSpliced(1, 1), renewed]), {
      removed: [],
      changed: [{ peer: renewed, setEndpoint: false, isRekeyed: true }],
    });
  });

  it('name an endpoint only where another one is wanted than before', () => {
    const before = [peer(1), peer(2), peer(3)];
    const { endpoint: _, ...silent } = peer(3, { keepaliveSeconds: 5 });
    const wanted = [peer(1, rekeyed), peer(2, { endpoint: '198.51.100.1:1' }), silent, peer(4)];
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
    const before = [peer(1), peer(2), peer(3)];
    const wanted = [
      peer(1, rekeyed),
      peer(2, { ...rekeyed, endpoint: '198.51.100.1:1' }),
      peer(3, { ...rekeyed, allowedIps: [parsePrefix('10.9.9.9/32')] }),
      peer(4),
    ];
    const { changed } = planPeerChanges(before, wanted);
    assert.deepEqual(
      changed.map(({ isRekeyed }) => isRekeyed),
      [true, false, false, false],
    );
  });

  it('do not come from an endpoint that is no longer wanted', () => {
    const { endpoint: _, ...silent } = peer(1);
    assert.deepEqual(planPeerChanges([peer(1)], [silent]).changed, []);
  });

  it('are only what differs from peers that were found in whatever order', () => {
    const wanted = [peer(1), peer(2), peer(3)];
    const found = (of: PeerState, presharedKey: PresharedKey | undefined): AdoptedPeer => {
      const { endpoint, keepaliveSeconds, publicKey, allowedIps } = of;
      const known = { publicKey, presharedKey, allowedIps, endpoint, keepaliveSeconds };
      const traffic = { latestHandshakeMs: 0, receivedBytes: 0, sentBytes: 0 };
      return adoptPeer({ ...known, ...traffic }, of, 1_000_000);
    };
    const before = [
      found(peer(4), peer(4).presharedKey),
      found(peer(3), undefined),
      found(peer(1), peer(1).presharedKey),
    ];
    const changes = planPeerChanges(before, wanted);
    assert.deepEqual(changes.removed, ['key-4']);
    assert.deepEqual(keysOf(changes), ['key-2', 'key-3']);
  });

  it('follow the last of two peers with one key, wherever the other one is', () => {
    const [one, first, last] = [peer(1), peer(2), peer(2, { keepaliveSeconds: 5 })];
    const back = { removed: [], changed: [{ peer: first, setEndpoint: false, isRekeyed: true }] };
    assert.deepEqual(planPeerChanges([first, one, last], [first, one]), back);
    assert.deepEqual(planPeerChanges([one, last, peer(3)], [one, first, peer(3)]), back);
    const none = { removed: [], changed: [] };
    assert.deepEqual(planPeerChanges([first, one, last], [one, last]), none);
    assert.deepEqual(planPeerChanges([one, last], [one, first, last]), none);
    assert.deepEqual(keysOf(planPeerChanges([first, one], [first, one, last])), ['key-2']);
    assert.deepEqual(planPeerChanges([first, one, last], [one]).removed, ['key-2']);
  });

  it('lead from any peers to any others', () => {
    const some = fc.array(fc.record({ index: fc.nat(9), other: fc.nat(3) }));
    const edits = fc.array(
      fc.record({ at: fc.nat(12), remove: fc.nat(3), insert: some, copy: fc.nat(12) }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(some, edits, fc.boolean(), (start, changes, asCopies) => {
        const made = (list: typeof start): PeerState[] =>
          list.map(({ index, other }) => variants[other]?.(index) ?? peer(index));
        const before = made(start);
        let wanted = before;
        for (const { at, remove, insert, copy } of changes) {
          wanted = [
            ...wanted.toSpliced(at, remove, ...made(insert)),
            ...wanted.slice(copy, copy + 1),
          ];
        }
        if (asCopies) wanted = wanted.map((each) => ({ ...each }));
        const now = configured(before);
        apply(now, planPeerChanges(before, wanted));
        const expected = configured(wanted);
        for (const [key, { endpoint, ...rest }] of expected) {
          const { endpoint: actual, ...others } = now.get(key) ?? {};
          assert.deepEqual(others, rest);
          if (endpoint !== undefined) assert.equal(actual, endpoint);
        }
        assert.equal(now.size, expected.size);
      }),
      { numRuns: 1_000 },
    );
  });
});

/** Peers with the same key that differ in all that may differ. */
const variants: readonly ((index: number) => PeerState)[] = [
  (index) => peer(index, rekeyed),
  (index) => peer(index, { endpoint: '198.51.100.1:1' }),
  (index) => {
    const { endpoint: _, ...silent } = peer(index, { allowedIps: [parsePrefix('10.9.9.9/32')] });
    return silent;
  },
];

const configured = (peers: readonly PeerState[]) =>
  new Map(peers.map((each) => [each.publicKey, each]));

/** As WireGuard does: what a change does not name stays. */
function apply(peers: Map<WireguardPublicKey, PeerState>, { removed, changed }: PeerChanges): void {
  for (const key of removed) assert.ok(peers.delete(key));
  for (const { peer: wanted, setEndpoint, isRekeyed } of changed) {
    const old = peers.get(wanted.publicKey);
    assert.ok(old || !isRekeyed);
    const { endpoint: told, ...rest } = wanted;
    const endpoint = setEndpoint ? told : old?.endpoint;
    peers.set(wanted.publicKey, {
      ...rest,
      ...(isRekeyed && old ? { allowedIps: old.allowedIps } : {}),
      ...(endpoint === undefined ? {} : { endpoint }),
    });
  }
}

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
        isRekeyed: false,
      },
      { peer: quiet, setEndpoint: false, isRekeyed: false },
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
