import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { type ApiServer, startApiServer } from '../../../test/support/api-server.ts';
import { knownMaster, TestVpn } from '../../../test/support/test-vpn.ts';
import { getDirectory } from '../directory-endpoints.ts';
import { exchange } from './http-exchange.ts';
import { connectDirectly } from './master-socket.ts';
import { encodeRequest } from './request-target.ts';

let vpn: TestVpn;
let server: ApiServer;
before(async () => {
  vpn = await TestVpn.create();
  server = await startApiServer({
    credentials: await vpn.master('fra'),
    clientRoot: vpn.root.certificatePem,
    answer: () => assert.fail('nothing is to be asked'),
  });
});
after(() => server[Symbol.asyncDispose]());

test('a connection that has ended while it waited is told at once, as one over which nothing was asked', async () => {
  const master = knownMaster('fra', server.port);
  const profile = await vpn.profile([master]);
  const connection = await connectDirectly(master, { profile, timeoutMs: 10_000 });
  connection.socket.destroy();
  await once(connection.socket, 'close');
  const request = encodeRequest(getDirectory, {});
  const { signal } = new AbortController();
  await assert.rejects(exchange(connection, request, signal), {
    code: 'unreachable',
    retryable: true,
  });
});
