import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { CertificateBed, honestExtensions, hourMs } from '../../../test/support/certificate-bed.ts';
import { rootOf, stolenAuthority } from '../../../test/support/forger.ts';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { SessionNode, tlsOptionsOf } from '../../../test/support/session-client.ts';
import { hostOf, portOf } from '../../model/endpoint.ts';
import { parseMemberName } from '../../model/names.ts';

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'spree'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  spree = await RunningMaster.start(bed, 'spree');
});
after(async () => {
  await spree[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

async function joined(name: string): Promise<SessionNode> {
  const { token } = await invite(bed, 'hamburg');
  const node = new SessionNode(name);
  const { session } = await node.join(elbe.endpoint, token);
  await session[Symbol.asyncDispose]();
  return node;
}

function open({ endpoint }: RunningMaster, node: SessionNode, ticket?: Buffer): TLSSocket {
  return connect({
    host: hostOf(endpoint),
    port: portOf(endpoint),
    ...tlsOptionsOf(endpoint, node),
    ...(ticket ? { session: ticket } : {}),
  });
}

/** Of a handshake of the node with the master. */
async function ticketOf(master: RunningMaster, node: SessionNode): Promise<Buffer> {
  const socket = open(master, node);
  const [ticket] = await once(socket, 'session');
  socket.destroy();
  return ticket;
}

async function isResumed(
  master: RunningMaster,
  node: SessionNode,
  ticket: Buffer,
): Promise<boolean> {
  const socket = open(master, node, ticket);
  await once(socket, 'secureConnect');
  const resumed = socket.isSessionReused();
  socket.destroy();
  return resumed;
}

/** What the master answers to a `hello` after a handshake with the ticket. */
async function refusalOf(node: SessionNode, ticket: Buffer): Promise<string> {
  await using session = await node.connect(elbe.endpoint, ticket);
  session.sayHello();
  const { code, message } = await session.expect('refused');
  return `${code}: ${message}`;
}

test('a member resumes with a ticket and is served', async () => {
  const anna = await joined('anna');
  const ticket = await ticketOf(elbe, anna);
  assert.equal(await isResumed(elbe, anna, ticket), true);
  await using session = await anna.connect(elbe.endpoint, ticket);
  session.sayHello();
  const { view } = await session.expect('view');
  assert.equal(view.acting.name, 'elbe');
});

test('another master’s ticket is just a full handshake', async () => {
  const berta = await joined('berta');
  const ticket = await ticketOf(elbe, berta);
  assert.equal(await isResumed(spree, berta, ticket), false);
  await using session = await berta.connect(spree.endpoint, ticket);
  session.sayHello();
  await session.expect('view');
});

test('a ticket of before a restart is just a full handshake', async () => {
  const clara = await joined('clara');
  const ticket = await ticketOf(spree, clara);
  assert.equal(await isResumed(spree, clara, ticket), true);
  await spree[Symbol.asyncDispose]();
  spree = await RunningMaster.start(bed, 'spree');
  assert.equal(await isResumed(spree, clara, ticket), false);
});

test('the ticket of somebody who was evicted since opens no session', async () => {
  const dora = await joined('dora');
  const ticket = await ticketOf(elbe, dora);
  await elbe
    .subset('hamburg')
    .departures.remove(parseMemberName('dora'), 'evicted', 'operator:ada');
  assert.equal(await isResumed(elbe, dora, ticket), true);
  assert.match(await refusalOf(dora, ticket), /^not-a-member: dora is out of hamburg: evicted/);
});

test('a ticket ends with the certificate that it was got with', async () => {
  const emil = await joined('emil');
  const forger = await CertificateBed.create('corp');
  const endsAtMs = Date.now() + 3_000;
  const brief = await forger.forge({
    issuer: await stolenAuthority(bed, 'hamburg', 'elbe'),
    keyPair: emil.keyPair,
    extensions: honestExtensions({
      ...{ kind: 'member', vpn: bed.vpn.name, name: parseMemberName('emil') },
      subset: elbe.subset('hamburg').state.subset,
    }),
    period: { fromMs: Date.now() - hourMs, untilMs: endsAtMs },
  });
  const node = new SessionNode('emil', brief);
  const ticket = await ticketOf(elbe, node);
  elbe.clock.jump(5_000);
  assert.equal(await isResumed(elbe, node, ticket), true);
  assert.match(await refusalOf(node, ticket), /^not-a-member: .* session to resume expired at /);
});

test('a handshake with a certificate that proves nothing cannot be resumed', async () => {
  const stranger = new SessionNode('fritz');
  const ticket = await ticketOf(elbe, stranger);
  assert.match(await refusalOf(stranger, ticket), /^not-a-member: .*not that of a valid certif/);
});

test('an operator’s ticket is no second key', async () => {
  const forger = await CertificateBed.create('corp');
  const credentials = await forger.forge({
    issuer: await rootOf(bed),
    extensions: honestExtensions(forger.operator('edda')),
    intermediates: [],
  });
  const edda = new SessionNode('edda', credentials);
  const ticket = await ticketOf(elbe, edda);
  assert.match(await refusalOf(edda, ticket), /only a member’s session is resumed/);
});
