import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createEtcdCertificates } from '../../lab/etcd/etcd-certificates.ts';
import { EtcdCluster } from '../../lab/etcd/etcd-cluster.ts';
import { InvalidInputError } from '../../src/model/error.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const value = Buffer.from('value');
const put = (store: Store, key: string) => store.transact({ if: [], then: [{ put: key, value }] });

test('TLS: a client with a certificate of the authority is let in, and nobody else', async () => {
  await using cluster = await EtcdCluster.start({ members: 1, tls: true });
  const { certificates, tlsQuery } = cluster;
  assert.ok(certificates);
  await using store = await openStore(cluster.url(`/tls?${tlsQuery}`));
  await put(store, 'key');
  assert.ok(await store.get('key'));

  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, 'other'));
  const other = await createEtcdCertificates(join(directory.path, 'other'), ['127.0.0.1']);
  const wrong = {
    'no certificate': [`ca=${certificates.ca}`, /does not accept us by TLS .*by cert and key/],
    'an authority of others': [`ca=${other.ca}`, /not of an authority that we trust .*by ca/],
    'a certificate of others': [
      `ca=${certificates.ca}&cert=${other.client.cert}&key=${other.client.key}`,
      /does not accept us by TLS/,
    ],
  } as const;
  for (const [what, [query, message]] of Object.entries(wrong))
    await assert.rejects(
      openStore(cluster.url(`/tls?${query}`)),
      isStoreError('unavailable', message),
      what,
    );
  await assert.rejects(
    openStore(cluster.url('/tls').replace('etcds:', 'etcd:')),
    isStoreError('unavailable', /it may want TLS/),
  );
});

test('TLS: a server whose certificate is for another address is not believed', async () => {
  await using cluster = await EtcdCluster.start({ members: 1, tls: true });
  const [host = '', port] = (cluster.members[0]?.endpoint ?? '').split(':');
  const other = createServer((socket) => {
    const inner = connect(Number(port), host);
    // Either end may go without a word.
    pipeline(socket, inner, socket, () => undefined);
  });
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  try {
    const { port: otherPort } = other.address() as AddressInfo;
    await assert.rejects(
      openStore(`etcds://127.0.0.1:${otherPort}/tls?${cluster.tlsQuery}`),
      isStoreError('unavailable', /127\.0\.0\.1 is not in the cert's list/),
    );
  } finally {
    other.close();
  }
});

test('files that are missing or do not fit are named', async () => {
  await using directory = await temporaryDirectory();
  const certificates = await createEtcdCertificates(directory.path, ['127.0.0.1']);
  const [missing, garbage, empty] = ['missing', 'garbage', 'empty'].map((name) =>
    join(directory.path, name),
  ) as [string, string, string];
  await writeFile(garbage, 'not PEM');
  await writeFile(empty, '\n');
  const { client, server } = certificates;
  const wrong = {
    [`ca=${missing}`]: missing,
    [`ca=${garbage}`]: garbage,
    [`cert=${client.cert}&key=${server.key}`]: server.key,
    [`user=hanse&password-file=${missing}`]: missing,
    [`user=hanse&password-file=${empty}`]: empty,
  };
  for (const [query, path] of Object.entries(wrong))
    await assert.rejects(openStore(`etcd://127.0.0.1/x?${query}`), (error) => {
      assert.ok(error instanceof InvalidInputError, query);
      assert.ok(error.message.includes(path), error.message);
      return true;
    });
});

test('user and password: what the role permits is done, the rest refused, and tokens are renewed', async () => {
  await using cluster = await EtcdCluster.start({ members: 1, tokenTtlSeconds: 1 });
  await using directory = await temporaryDirectory();
  const passwordFile = join(directory.path, 'password');
  await writeFile(passwordFile, 'a pass:word\n');
  await using early = await openStore(cluster.url(`/vpn?user=hanse&password-file=${passwordFile}`));
  await put(early, 'early');
  await using earlyWatch = watchOf(early);
  await cluster.requireUser({ name: 'hanse', password: 'a pass:word', keyPrefix: 'vpn/' });
  // It was open before users were required.
  await put(early, 'key');
  await until('the watch goes on', () => earlyWatch.keys.includes('key'));

  await using store = await openStore(cluster.url(`/vpn?user=hanse&password-file=${passwordFile}`));
  await using watch = watchOf(store);
  // Longer than a token lasts that is not used.
  await delay(2_500);
  await put(store, 'after the token');
  const [member] = cluster.members;
  // It forgets all tokens.
  await member?.restart();
  await put(store, 'after the restart');
  await until('the watch goes on', () => watch.keys.includes('after the restart'));
  const lease = await store.grantLease(5_000);
  await store.keepLeaseAlive(lease);
  await store.revokeLease(lease);

  await assert.rejects(
    openStore(cluster.url(`/elsewhere?user=hanse&password-file=${passwordFile}`)),
    isStoreError('denied', /permission denied.*the prefix of the URL/),
  );
  await assert.rejects(
    openStore(cluster.url('/vpn')),
    isStoreError('denied', /user name is empty/),
  );
  await writeFile(passwordFile, 'wrong\n');
  await assert.rejects(
    openStore(cluster.url(`/vpn?user=hanse&password-file=${passwordFile}`)),
    isStoreError('denied', /invalid user ID or password.*check the user/),
  );
});

test('user and password count where a client’s certificate would make another user of us', async () => {
  await using cluster = await EtcdCluster.start({ members: 1, tls: true });
  await using directory = await temporaryDirectory();
  const passwordFile = join(directory.path, 'password');
  await writeFile(passwordFile, 'a pass:word\n');
  await cluster.requireUser({ name: 'hanse', password: 'a pass:word', keyPrefix: 'vpn/' });
  const options = `${cluster.tlsQuery}&user=hanse&password-file=${passwordFile}`;
  await using store = await openStore(cluster.url(`/vpn?${options}`));
  await using watch = watchOf(store);
  await put(store, 'key');
  await until('the watch sees it', () => watch.keys.includes('key'));
  await assert.rejects(
    openStore(cluster.url(`/vpn?${cluster.tlsQuery}`)),
    isStoreError('denied', /permission denied/),
  );
});

test('the database is full: changes are refused with what to do, reads go on, and then it works again', async () => {
  await using cluster = await EtcdCluster.start({ members: 1, quotaBackendBytes: 8 * 1024 ** 2 });
  await using store = await openStore(cluster.url('/full'));
  const large = Buffer.alloc(500_000);
  let revision = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      const result = await store.transact({ if: [], then: [{ put: 'key', value: large }] });
      revision = result.revision;
    }
  };
  const isFull = isStoreError(
    'unavailable',
    /nothing has been changed.*quota.*compact.*alarm disarm/,
  );
  await assert.rejects(fill(), isFull);
  await assert.rejects(put(store, 'small'), isFull);
  assert.equal((await store.get('key'))?.modRevision, revision);
  assert.equal((await store.range('')).entries.length, 1);
  await store.compact(revision);
  await cluster.control(['defrag']);
  await cluster.control(['alarm', 'disarm']);
  assert.ok((await put(store, 'small')).revision > revision);
});

/** The keys that a watch on everything has seen change. */
function watchOf(store: Store): AsyncDisposable & { readonly keys: readonly string[] } {
  const keys: string[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const { changes } of store.watch({ prefixes: [''], afterRevision: 1 }, stop.signal))
      keys.push(...changes.map((each) => (each.kind === 'put' ? each.entry.key : each.key)));
  })();
  return {
    keys,
    [Symbol.asyncDispose]: () => {
      stop.abort();
      return watching;
    },
  };
}

function isStoreError(code: StoreError['code'], message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}
