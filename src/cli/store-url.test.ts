import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { parseEtcdUrl } from '../store/etcd/etcd-url.ts';
import { absoluteStoreUrl } from './store-url.ts';

test('a file’s path is made absolute', () => {
  assert.equal(absoluteStoreUrl('sqlite:a/store.db'), `sqlite:${resolve('a/store.db')}`);
  assert.equal(absoluteStoreUrl('sqlite:/a/store.db'), 'sqlite:/a/store.db');
});

test('the files of a cluster’s credentials are made absolute, and nothing else', () => {
  const url =
    'etcd://a:1,b/x?ca=pki/ca.pem&cert=/c.pem&key=key%20of%20%26%20%25.pem&user=ada&password-file=./p';
  const parsed = parseEtcdUrl(absoluteStoreUrl(url));
  assert.deepEqual(parsed, {
    addresses: ['a:1', 'b:2379'],
    keyPrefix: 'x/',
    tls: {
      ca: resolve('pki/ca.pem'),
      certificate: { cert: '/c.pem', key: resolve('key of & %.pem') },
    },
    user: { name: 'ada', passwordFile: resolve('p') },
  });
  assert.equal(absoluteStoreUrl('etcd://a/x'), 'etcd://a/x');
});

test('what is no store stays as it is, for whoever opens it to say so', () => {
  for (const url of [
    'nothing',
    'sqlite:',
    'etcd://a?ca=%',
    'etcd://a?colour=red',
    'http://x?ca=y',
  ]) {
    assert.equal(absoluteStoreUrl(url), url);
  }
});
