import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts';
import { localJoin, localLeave, localStatus } from '../member-local.ts';
import { ApiError } from './client-error.ts';
import { callLocal, isNotRunning } from './local-client.ts';

/** Serves one answer on a socket in the directory, and keeps what it was asked. */
async function serve(directory: string, status: number, answer: unknown) {
  return serveText(directory, { status, type: 'application/json', body: JSON.stringify(answer) });
}

async function serveText(
  directory: string,
  answer: { readonly status: number; readonly type: string; readonly body: string },
) {
  const asked: string[] = [];
  const socketPath = join(directory, 'member.sock');
  const server = createServer(async (request, response) => {
    asked.push(`${request.method} ${request.url} ${await text(request)}`);
    response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return {
    socketPath,
    asked,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

test('a request and its answer go over the socket as the endpoint defines them', async () => {
  await using directory = await temporaryDirectory();
  const joined = { membership: 'corp.europe', name: 'web-1', ipv4: '100.64.0.2', ipv6: 'fd00::2' };
  await using daemon = await serve(directory.path, 200, joined);
  assert.deepEqual(await callLocal(daemon.socketPath, localJoin, { token: 't' }), joined);
  assert.deepEqual(daemon.asked, ['POST /v1/join {"token":"t"}']);
});

test('a daemon that says no is heard in its own words', async () => {
  await using directory = await temporaryDirectory();
  const problem = { code: 'not-connected', message: 'no master now', retryable: true };
  await using daemon = await serve(directory.path, 503, problem);
  await assert.rejects(callLocal(daemon.socketPath, localLeave, {}), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.code, error.message, error.retryable], Object.values(problem));
    return true;
  });
});

test('an answer of another form is refused', async () => {
  await using directory = await temporaryDirectory();
  await using daemon = await serve(directory.path, 200, { memberships: 'none' });
  await assert.rejects(callLocal(daemon.socketPath, localStatus, undefined), { code: 'bad-reply' });
});

test('an answer in parts that is cut off, or of another form, is none', async () => {
  await using directory = await temporaryDirectory();
  const told: string[] = [];
  const options = { onProgress: (line: string) => told.push(line) };
  const type = 'application/x-ndjson';
  const part = JSON.stringify({ type: 'progress', text: 'placed' });
  for (const [rest, code, message] of [
    ['{"type":"answer"', 'unreachable', /gave no answer: its answer was cut off/],
    ['{"type":"surprise"}\n', 'bad-reply', /is it another version/],
    ['no json\n', 'unreachable', /gave no answer/],
  ] as const) {
    const body = `${part}\n${rest}`;
    await using daemon = await serveText(directory.path, { status: 200, type, body });
    const request = callLocal(daemon.socketPath, localJoin, { token: 't' }, options);
    await assert.rejects(request, { code, message });
  }
  assert.deepEqual(told, ['placed', 'placed', 'placed']);
});

test('a socket that nobody serves means that no daemon runs', async () => {
  await using directory = await temporaryDirectory();
  const socketPath = join(directory.path, 'member.sock');
  await assert.rejects(callLocal(socketPath, localStatus, undefined), isNotRunning);
});
