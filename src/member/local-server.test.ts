import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { callLocal } from '../api/client/local-client.ts';
import { localLeave, localStatus } from '../api/member-local.ts';
import { silentLog } from '../runtime/log.ts';
import { localRoute, serveLocally } from './local-server.ts';
import { MemberError } from './member-error.ts';

async function localServer(leave: () => Promise<{ membership: string; reason: string }>) {
  const directory = await mkdtemp(join(tmpdir(), 'hanse-local-'));
  const socketPath = join(directory, 'member.sock');
  // What a killed daemon leaves behind.
  await writeFile(socketPath, '');
  const server = await serveLocally(
    { socketPath },
    {
      routes: [localRoute(localLeave, leave)],
      metrics: async () => ({ contentType: 'text/plain', text: 'metrics\n' }),
      log: silentLog(),
    },
  );
  const stop = async () => {
    await server[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  };
  return { socketPath, [Symbol.asyncDispose]: stop };
}

/** @returns the status and the body */
async function post(socketPath: string, body: string, headers: Record<string, string> = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<[number, string]>();
  request({ socketPath, method: 'POST', path: localLeave.path, headers }, (response) => {
    text(response).then((answer) => resolve([response.statusCode ?? 0, answer]), reject);
  })
    .once('error', reject)
    .end(body);
  return await promise;
}

const left = async () => ({ membership: 'a.b', reason: 'left' });

test('a request is answered over the socket, which is for its owner only', async () => {
  await using server = await localServer(left);
  assert.deepEqual(await callLocal(server.socketPath, localLeave, {}), await left());
  assert.equal((await stat(server.socketPath)).mode & 0o777, 0o600);
});

test('an error of ours is shown with its code, any other only logged', async () => {
  const problem = new MemberError('not now', { code: 'not-connected', retryable: true });
  await using ours = await localServer(() => Promise.reject(problem));
  await assert.rejects(callLocal(ours.socketPath, localLeave, {}), {
    code: 'not-connected',
    retryable: true,
  });
  await using other = await localServer(() => Promise.reject(new Error('/etc/secret')));
  await assert.rejects(callLocal(other.socketPath, localLeave, {}), (error: Error) => {
    return !error.message.includes('secret');
  });
});

test('what is no request is refused and the server goes on', async () => {
  await using server = await localServer(left);
  const { socketPath } = server;
  assert.equal((await post(socketPath, 'no json'))[0], 400);
  assert.equal((await post(socketPath, '{"force":"yes"}'))[0], 400);
  assert.equal((await post(socketPath, `"${'x'.repeat(20_000)}"`))[0], 400);
  assert.equal((await post(socketPath, '{}', { 'transfer-encoding': 'chunked' }))[0], 400);
  await assert.rejects(callLocal(socketPath, localStatus, undefined), { code: 'invalid' });
  assert.equal((await post(socketPath, '{}'))[0], 200);
});
