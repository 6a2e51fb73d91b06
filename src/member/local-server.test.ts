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

type Leave = (
  body: unknown,
  onProgress: (text: string) => void,
) => Promise<{ membership: string; reason: string }>;

async function localServer(leave: Leave) {
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

test('what there is to tell is told before the answer, or before the failure, to whoever wants it', async () => {
  const told: string[] = [];
  const onProgress = (text: string) => told.push(text);
  const isHeard = Promise.withResolvers<void>();
  await using server = await localServer(async (_body, tell) => {
    tell('asking');
    await isHeard.promise;
    tell('asked\nagain');
    return left();
  });
  const hears = (text: string) => {
    onProgress(text);
    isHeard.resolve();
  };
  const { socketPath } = server;
  assert.deepEqual(
    await callLocal(socketPath, localLeave, {}, { onProgress: hears }),
    await left(),
  );
  assert.deepEqual(told, ['asking', 'asked\nagain']);
  assert.deepEqual(await callLocal(socketPath, localLeave, {}), await left());

  await using failing = await localServer((_body, tell) => {
    tell('trying');
    const problem = new MemberError('not now', { code: 'not-connected', retryable: true });
    return Promise.reject(problem);
  });
  const request = callLocal(failing.socketPath, localLeave, {}, { onProgress });
  await assert.rejects(request, { code: 'not-connected', message: 'not now', status: 503 });
  assert.equal(told.at(-1), 'trying');
  await assert.rejects(callLocal(failing.socketPath, localLeave, {}), { status: 503 });
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
