import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidInputError } from '../../model/error.ts';
import { parseEtcdUrl } from './etcd-url.ts';

test('hosts have the usual port, and keys the usual prefix, unless said', () => {
  assert.deepEqual(parseEtcdUrl('etcd://one'), {
    addresses: ['one:2379'],
    keyPrefix: 'hanse/',
    tls: undefined,
    user: undefined,
  });
  assert.deepEqual(parseEtcdUrl('etcd://10.0.0.1:1,two.example,[fd00::1],[fd00::2]:65535/a/b/'), {
    addresses: ['10.0.0.1:1', 'two.example:2379', '[fd00::1]:2379', '[fd00::2]:65535'],
    keyPrefix: 'a/b/',
    tls: undefined,
    user: undefined,
  });
});

test('options name files, and TLS comes with them or with the scheme', () => {
  const url = 'etcd://one/vpn?ca=/a%20b/ca.pem&cert=c.pem&key=k.pem&user=hanse&password-file=/p=w';
  assert.deepEqual(parseEtcdUrl(url), {
    addresses: ['one:2379'],
    keyPrefix: 'vpn/',
    tls: { ca: '/a b/ca.pem', certificate: { cert: 'c.pem', key: 'k.pem' } },
    user: { name: 'hanse', passwordFile: '/p=w' },
  });
  assert.deepEqual(parseEtcdUrl('etcds://one').tls, {});
  assert.deepEqual(parseEtcdUrl('etcd://one?ca=x').tls, { ca: 'x' });
});

test('what is wrong is refused with what would be right', () => {
  const wrong: Readonly<Record<string, RegExp>> = {
    'etcd:one': /not made of hosts/,
    'etcd://': /"" is not a host/,
    'etcd://one,': /"" is not a host/,
    'etcd://one,one:2379': /one:2379 is in it twice/,
    'etcd://one:0': /not a host/,
    'etcd://one:65536': /not a host/,
    'etcd://fd00::1': /not a host/,
    'etcd://one//vpn': /not a prefix/,
    'etcd://one/a b': /not a prefix/,
    'etcd://one/vpn#x': /not made of/,
    'etcd://one?colour=red': /"colour" is no option: there are ca, cert/,
    'etcd://one?ca': /ca needs a value/,
    'etcd://one?ca=%zz': /ca needs a value/,
    'etcd://one?ca=x&ca=y': /ca is in it twice/,
    'etcd://one?cert=x': /cert and key.* need each other/,
    'etcd://one?user=x': /user and password-file need each other/,
    'etcd://one?password-file=x': /user and password-file need each other/,
  };
  for (const [url, message] of Object.entries(wrong))
    assert.throws(
      () => parseEtcdUrl(url),
      (error) => {
        assert.ok(error instanceof InvalidInputError, url);
        assert.match(error.message, message);
        assert.match(error.message, /Write etcd:\/\//);
        return true;
      },
    );
});

test('a password in a URL is refused and not repeated', () => {
  assert.throws(
    () => parseEtcdUrl('etcd://hanse:secret@one/vpn'),
    (error) => error instanceof InvalidInputError && !error.message.includes('secret'),
  );
});
