import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PeerState } from '../../model/host-state.ts';
import { parsePrefix } from '../../model/prefix.ts';
import type { PresharedKey, WireguardPublicKey } from '../../model/wireguard-key.ts';
import { adoptPeer, type PeerDump, parseDeviceDump } from './device-dump.ts';

const key = (letter: string): string => `${letter.repeat(42)}A=`;

describe('the dump of an interface', () => {
  it('is read with all its peers', () => {
    const text = [
      `${key('P')}\t${key('Q')}\t51820\toff`,
      `${key('a')}\t${key('s')}\t192.0.2.1:51820\t100.64.0.1/32,fd00::1/128\t1700000000\t148\t92\t25`,
      `${key('b')}\t(none)\t(none)\t(none)\t0\t0\t0\toff`,
    ].join('\n');
    assert.deepEqual(parseDeviceDump('hns0', `${text}\n`), {
      privateKey: key('P'),
      listenPort: 51_820,
      peers: [
        {
          publicKey: key('a'),
          presharedKey: key('s'),
          endpoint: '192.0.2.1:51820',
          allowedIps: ['100.64.0.1/32', 'fd00::1/128'],
          latestHandshakeMs: 1_700_000_000_000,
          receivedBytes: 148,
          sentBytes: 92,
          keepaliveSeconds: 25,
        },
        {
          publicKey: key('b'),
          presharedKey: undefined,
          endpoint: undefined,
          allowedIps: [],
          latestHandshakeMs: 0,
          receivedBytes: 0,
          sentBytes: 0,
          keepaliveSeconds: undefined,
        },
      ],
    });
  });

  it('of an interface that was made just now has no key', () => {
    const dump = parseDeviceDump('hns0', '(none)\t(none)\t0\toff\n');
    assert.deepEqual(dump, { privateKey: undefined, listenPort: 0, peers: [] });
  });

  it('in another form is refused without showing it', () => {
    const device = `${key('P')}\t${key('Q')}\t1\toff\n`;
    for (const text of [
      '',
      `${key('P')}\n`,
      `${device}${key('a')}\tshort\n`,
      `${device}nokey\t(none)\t(none)\t(none)\t0\t0\t0\toff\n`,
      `${device}${key('a')}\t(none)\t(none)\t(none)\tnow\t0\t0\toff\n`,
      `${device}${key('a')}\t(none)\t(none)\t(none)\t0\t-1\t0\toff\n`,
    ]) {
      assert.throws(
        () => parseDeviceDump('hns0', text),
        (error: Error) => {
          assert.match(error.message, /wg show hns0 dump/);
          return !error.message.includes(key('P'));
        },
      );
    }
  });
});

describe('a peer that is adopted', () => {
  const nowMs = 1_700_000_500_000;
  const wanted: PeerState = {
    publicKey: key('a') as WireguardPublicKey,
    presharedKey: key('s') as PresharedKey,
    endpoint: '192.0.2.1:51820',
    allowedIps: [parsePrefix('100.64.0.1/32')],
  };
  const actual: PeerDump = {
    ...wanted,
    presharedKey: wanted.presharedKey,
    endpoint: '192.0.2.99:40000',
    latestHandshakeMs: nowMs - 179_000,
    receivedBytes: 0,
    sentBytes: 0,
    keepaliveSeconds: undefined,
  };

  it('stays where it was heard while its session is alive', () => {
    assert.deepEqual(adoptPeer(actual, wanted, nowMs), wanted);
  });

  it('gets the wanted endpoint when its session is over', () => {
    const silent = { ...actual, latestHandshakeMs: nowMs - 181_000 };
    assert.equal(adoptPeer(silent, wanted, nowMs).endpoint, '192.0.2.99:40000');
  });
});
