import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSocketDump } from './socket-dump.ts';

const hexadecimal = (digit: string): string => digit.repeat(64);
const base64 = (digit: string): string => Buffer.from(hexadecimal(digit), 'hex').toString('base64');

function reply(...lines: readonly string[]): string {
  return `${lines.join('\n')}\nerrno=0\n\n`;
}

describe('what wireguard-go says of an interface', () => {
  it('is read with all its peers', () => {
    const text = reply(
      `private_key=${hexadecimal('1')}`,
      'listen_port=51820',
      `public_key=${hexadecimal('a')}`,
      `preshared_key=${hexadecimal('b')}`,
      'protocol_version=1',
      'endpoint=[2001:db8::1]:51820',
      'last_handshake_time_sec=1700000000',
      'last_handshake_time_nsec=999',
      'tx_bytes=92',
      'rx_bytes=148',
      'persistent_keepalive_interval=25',
      'allowed_ip=100.64.0.1/32',
      'allowed_ip=fd00::1/128',
      `public_key=${hexadecimal('c')}`,
      `preshared_key=${hexadecimal('0')}`,
      'protocol_version=1',
      'last_handshake_time_sec=0',
      'last_handshake_time_nsec=0',
      'tx_bytes=0',
      'rx_bytes=0',
      'persistent_keepalive_interval=0',
    );
    assert.deepEqual(parseSocketDump('hns0', text), {
      privateKey: base64('1'),
      listenPort: 51_820,
      peers: [
        {
          publicKey: base64('a'),
          presharedKey: base64('b'),
          endpoint: '[2001:db8::1]:51820',
          allowedIps: ['100.64.0.1/32', 'fd00::1/128'],
          latestHandshakeMs: 1_700_000_000_000,
          receivedBytes: 148,
          sentBytes: 92,
          keepaliveSeconds: 25,
        },
        {
          publicKey: base64('c'),
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

  it('of an interface that was made just now is nothing', () => {
    const dump = parseSocketDump('hns0', 'errno=0\n\n');
    assert.deepEqual(dump, { privateKey: undefined, listenPort: 0, peers: [] });
  });

  it('in another form is refused without showing it', () => {
    const key = hexadecimal('d');
    for (const text of [
      '',
      'errno=-2\n\n',
      // Cut short.
      `private_key=${key}\npublic_key=${key}\n`,
      reply(`private_key=${key}zz`),
      reply(`private_key=${key}`, key),
      reply(`public_key=${hexadecimal('0')}`),
      reply(`public_key=${key.slice(1)}`),
      reply(`public_key=${key}`, 'rx_bytes=-1'),
      reply(`public_key=${key}`, 'rx_bytes=1e9'),
      reply(`public_key=${key}`, 'last_handshake_time_sec='),
    ]) {
      assert.throws(
        () => parseSocketDump('hns0', text),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'unreadable-output', text);
          assert.match(error.message, /get=1 on .*hns0\.sock/);
          return !JSON.stringify(error).includes(key) && error.cause === undefined;
        },
      );
    }
  });
});
