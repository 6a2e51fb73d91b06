import assert from 'node:assert/strict';
import { request } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { startLoneMaster } from '../../../test/support/lone-master.ts';
import { SessionNode } from '../../../test/support/session-client.ts';
import { until } from '../../../test/support/until.ts';
import { transferPath, transferType } from '../../api/transfer.ts';
import { transferBytes } from '../../core/measuring/probe-schedule.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';

const lone = await startLoneMaster();
const { master: elbe } = lone;

const join = (name: string) => joinedNode(name, lone);

interface Answer {
  readonly status: number | undefined;
  readonly body: Buffer;
}

const credentialsOf = ({ chain, keyPair }: SessionNode) => ({
  ...{ cert: chain.join('\n'), rejectUnauthorized: false, agent: false },
  key: keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
});

async function call(
  node: SessionNode,
  method: 'GET' | 'POST',
  body?: Buffer,
  type = transferType,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  request({
    ...{ host: hostOf(elbe.endpoint), port: portOf(elbe.endpoint), method, path: transferPath },
    ...credentialsOf(node),
    headers: body ? { 'content-type': type, 'content-length': body.length } : {},
  })
    .once('response', (response) => {
      const { statusCode: status } = response;
      buffer(response).then((bytes) => resolve({ status, body: bytes }), reject);
    })
    .once('error', reject)
    .end(body);
  return promise;
}

const codeOf = ({ body }: Answer) => JSON.parse(body.toString()).code;

// The first of all, because what all members have together is spent by the others.
test('a member has eight transfers, and then three hours for each more', async () => {
  const node = await join('dora');
  for (let count = 0; count < 8; count += 1) assert.equal((await call(node, 'GET')).status, 200);
  const refused = await call(node, 'GET');
  assert.deepEqual([refused.status, codeOf(refused)], [503, 'busy']);
  const other = await join('emma');
  assert.equal((await call(other, 'GET')).status, 200);
});

test('a member gets so many bytes and may send so many', async () => {
  const node = await join('anna');
  const down = await call(node, 'GET');
  assert.deepEqual([down.status, down.body.length], [200, transferBytes]);
  const up = await call(node, 'POST', Buffer.alloc(transferBytes));
  assert.deepEqual([up.status, JSON.parse(up.body.toString())], [200, { bytes: transferBytes }]);
});

test('another number of bytes, or another kind, is refused', async () => {
  const node = await join('berta');
  for (const bytes of [1, transferBytes - 1, transferBytes + 1, 16 * transferBytes]) {
    assert.equal((await call(node, 'POST', Buffer.alloc(bytes))).status, 400);
  }
  const json = await call(node, 'POST', Buffer.from('{}'), 'application/json');
  assert.equal(json.status, 400);
});

test('who is no member of the VPN gets nothing', async () => {
  const stranger = await call(new SessionNode('clara'), 'GET');
  assert.deepEqual([stranger.status, codeOf(stranger)], [403, 'not-permitted']);
});

test('whoever goes away in the midst makes room for others', async () => {
  for (let count = 0; count < 16; count += 1) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const abandoned = request({
      ...{ host: hostOf(elbe.endpoint), port: portOf(elbe.endpoint), path: transferPath },
      ...credentialsOf(await join(`quitter-${count}`)),
    });
    abandoned.on('error', () => resolve()).on('finish', () => abandoned.destroy());
    abandoned.on('close', resolve).end();
    await promise;
  }
  elbe.clock.jump(10_000);
  const node = await join('gerda');
  await until('there is room', async () => (await call(node, 'GET')).status === 200);
});
