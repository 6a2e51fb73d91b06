import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { CertificateBed, honestExtensions } from '../../../test/support/certificate-bed.ts';
import { rootOf } from '../../../test/support/forger.ts';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { SessionNode } from '../../../test/support/session-client.ts';
import { listMembers } from '../../api/member-endpoints.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';
import { parseSubsetName } from '../../model/names.ts';

const spreeName = 'spree.masters.corp.hanse.internal';

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
let operator: SessionNode;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['spree'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  spree = await RunningMaster.start(bed, 'spree');
  const forger = await CertificateBed.create('corp');
  const credentials = await forger.forge({
    issuer: await rootOf(bed),
    extensions: honestExtensions(forger.operator('edda')),
    intermediates: [],
  });
  operator = new SessionNode('edda', credentials);
});
after(async () => {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

interface ConnectAnswer {
  readonly status: number | undefined;
  readonly socket: Duplex;
}

const keyOf = ({ keyPair }: SessionNode) =>
  keyPair.privateKey.export({ type: 'pkcs8', format: 'pem' });

async function tunnel(node: SessionNode, authority: string): Promise<ConnectAnswer> {
  const sent = request({
    host: hostOf(elbe.endpoint),
    port: portOf(elbe.endpoint),
    method: 'CONNECT',
    path: authority,
    cert: node.chain.join('\n'),
    key: keyOf(node),
    rejectUnauthorized: false,
    agent: false,
  }).end();
  const [response, socket, head] = await once(sent, 'connect');
  if (head.length > 0) socket.unshift(head);
  return { status: response.statusCode, socket };
}

async function problemOf({ status, socket }: ConnectAnswer): Promise<Record<string, unknown>> {
  return { status, ...JSON.parse(await text(socket)) };
}

test('an operator reaches another master through this one, and its TLS is with that master', async () => {
  const { status, socket } = await tunnel(operator, `${spreeName}:443`);
  assert.equal(status, 200);
  const inner = connect({
    socket,
    servername: spreeName,
    ca: bed.vpn.rootCertificate,
    cert: operator.chain.join('\n'),
    key: keyOf(operator),
  });
  await once(inner, 'secureConnect');
  assert.equal(inner.authorized, true);
  assert.equal(inner.getPeerX509Certificate()?.subjectAltName, `DNS:${spreeName}`);
  inner.write('GET /v1/status HTTP/1.1\r\nHost: spree\r\nConnection: close\r\n\r\n');
  const answer = await text(inner);
  assert.match(answer, /"master":"spree"/);
  assert.ok((await elbe.received('operator:edda', 'CONNECT')) > 0);
});

test('the operator’s client needs to reach one master only', async () => {
  const client = await bed.operator();
  const params = { subset: parseSubsetName('berlin') };
  assert.deepEqual((await client.call(listMembers, { params })).members, []);
});

test('a member may not tunnel, and is counted', async () => {
  const node = new SessionNode('anna');
  const { token } = await invite(bed, 'hamburg');
  const { session } = await node.join(elbe.endpoint, token);
  await session[Symbol.asyncDispose]();
  const before = await elbe.refused('not-permitted');
  const problem = await problemOf(await tunnel(node, `${spreeName}:443`));
  assert.deepEqual([problem['status'], problem['code']], [403, 'not-permitted']);
  assert.match(
    String(problem['message']),
    /for operators and masters; your certificate is of a member/,
  );
  assert.equal(await elbe.refused('not-permitted'), before + 1);
});

test('a tunnel leads to masters of the directory and nowhere else', async () => {
  const elsewhere = [
    '127.0.0.1:22',
    'localhost:443',
    'example.com:443',
    'nobody.masters.corp.hanse.internal:443',
    'spree.masters.other.hanse.internal:443',
    'anna.hamburg.corp.hanse.internal:443',
    'spree.operators.corp.hanse.internal:443',
    `${'x'.repeat(300)}:1`,
  ];
  for (const authority of elsewhere) {
    const problem = await problemOf(await tunnel(operator, authority));
    assert.equal(problem['status'], 403, authority);
    assert.match(String(problem['message']), /is no master of this VPN/);
  }
});

test('a master that is down is a problem that may be over soon', async () => {
  await spree[Symbol.asyncDispose]();
  const problem = await problemOf(await tunnel(operator, `${spreeName}:443`));
  assert.deepEqual(
    [problem['status'], problem['code'], problem['retryable']],
    [502, 'unavailable', true],
  );
  spree = await RunningMaster.start(bed, 'spree');
});

test('a master stops at once though a tunnel and silent connections are open', async () => {
  await using alster = await MasterBed.create({ subsets: { kiel: ['alster'] } });
  const master = await RunningMaster.start(alster, 'alster');
  const { token } = await invite(alster, 'kiel');
  const node = new SessionNode('mute');
  const { session } = await node.join(master.endpoint, token);
  await using _ = session;
  await using idle = await new SessionNode('idle').connect(master.endpoint);
  session.socket.pause();
  idle.socket.pause();
  const startMs = performance.now();
  await master[Symbol.asyncDispose]();
  assert.ok(performance.now() - startMs < 5_000);
  session.socket.resume();
  idle.socket.resume();
});
