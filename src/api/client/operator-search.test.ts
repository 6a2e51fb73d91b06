import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import {
  type ApiServer,
  hangUp,
  Refusal,
  startApiServer,
} from '../../../test/support/api-server.ts';
import { knownMaster, TestVpn, vpnView } from '../../../test/support/test-vpn.ts';
import { type MasterName, parseMasterName } from '../../model/names.ts';
import { listAudit } from '../audit-endpoints.ts';
import { getDirectory } from '../directory-endpoints.ts';
import { listInvites } from '../invite-endpoints.ts';
import { unbanMember } from '../member-endpoints.ts';
import { ClientError } from './client-error.ts';
import { createOperatorClient, type OperatorClient } from './operator-client.ts';

/*
 * Three masters serve one subset and change places. Each test says whom each one takes for the
 * acting master, whether it can be reached, and how it answers.
 */
const names = ['fra', 'ams', 'lon'] as const;
type Name = (typeof names)[number];
interface State {
  /** Who acts, as its directory has it. */
  acting: Name;
  /** Whether others may relay to it. */
  isReached: boolean;
  /** It takes connections and says nothing, as behind a link that was pulled. */
  isSilent: boolean;
  answer: () => unknown;
}
const states = {} as Record<Name, State>;
const servers = new Map<string, ApiServer>();
/** Which masters were asked anything but the directory, in order. */
const asked: string[] = [];
let vpn: TestVpn;
let silentPort: number;
const cleanup = new AsyncDisposableStack();

before(async () => {
  vpn = await TestVpn.create();
  silentPort = await startSilentServer();
  for (const name of names) {
    const server = await startApiServer({
      credentials: await vpn.master(name),
      clientRoot: vpn.root.certificatePem,
      answer: ({ endpoint }) => {
        if (endpoint.path === getDirectory.path) return directory(states[name].acting);
        asked.push(name);
        return states[name].answer();
      },
      relay: (dnsName) => {
        const target = dnsName.split('.')[0] as Name;
        const isCutOff = !states[target].isReached || !states[name].isReached;
        if (isCutOff) return undefined;
        return states[target].isSilent ? silentPort : servers.get(target)?.port;
      },
    });
    servers.set(name, cleanup.use(server));
  }
});
after(() => cleanup.disposeAsync());

beforeEach(() => {
  asked.length = 0;
  for (const name of names) {
    states[name] = {
      acting: 'fra',
      isReached: true,
      isSilent: false,
      answer: () => notActing(name),
    };
  }
});

async function startSilentServer(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const timeMs = 1_795_000_000_000;
const directory = (acting: Name) => ({
  vpn: vpnView(timeMs),
  masters: names.map((name) => knownMaster(name, servers.get(name)?.port ?? 9)),
  subsets: [{ name: 'europe', home: 'fra', acting, backups: ['ams', 'lon'], blocks: [] }],
});
const notActing = (name: string) =>
  new Refusal(421, {
    code: 'not-acting',
    message: `europe is not governed by ${name}`,
    retryable: true,
  });

/** A client that knows only the entry to begin with. */
async function clientVia(entry: Name, searchTimeoutMs = 6_000): Promise<OperatorClient> {
  const profile = await vpn.profile([knownMaster(entry, servers.get(entry)?.port ?? 9)]);
  return createOperatorClient({ profile, searchTimeoutMs });
}

const inEurope = { params: { subset: 'europe' } };
const web = { params: { subset: 'europe', name: 'web-1' } };
const invites = { invites: [] };

test('a backup that has taken over is found, whatever the entry’s directory still says', async () => {
  states.lon.answer = () => invites;
  const client = await clientVia('fra');
  assert.deepEqual(await client.call(listInvites, inEurope), invites);
  assert.deepEqual(asked, ['fra', 'ams', 'lon']);
});

test('while nobody acts they are asked again, and the directory is read anew', async () => {
  let rounds = 0;
  states.ams.answer = () => {
    rounds += 1;
    if (rounds < 3) return notActing('ams');
    return invites;
  };
  states.lon.acting = 'ams';
  const client = await clientVia('fra');
  assert.deepEqual(await client.call(listInvites, inEurope), invites);
  assert.equal(rounds, 3);
  assert.equal(client.knownDirectory?.subsets[0]?.acting, 'ams');
});

test('a dead acting master is passed over, for changes and for what any serving master knows', async () => {
  states.fra.isReached = false;
  states.ams.answer = () => ({});
  const client = await clientVia('lon');
  await client.call(unbanMember, web);
  states.ams.answer = () => ({ entries: [] });
  await client.call(listAudit, inEurope);
  assert.deepEqual(asked, ['ams', 'ams']);
});

test('a change that may have been made is not sent a second time', async () => {
  states.fra.answer = () => hangUp;
  states.ams.answer = () => ({});
  const client = await clientVia('lon');
  await assert.rejects(client.call(unbanMember, web), { code: 'interrupted' });
  assert.deepEqual(asked, ['fra']);
});

test('a question whose answer broke off is put to the next', async () => {
  states.fra.answer = () => hangUp;
  states.ams.answer = () => ({ entries: [] });
  const client = await clientVia('lon');
  assert.deepEqual(await client.call(listAudit, inEurope), { entries: [] });
  assert.deepEqual(asked, ['fra', 'ams']);
});

/** So long that whoever waits for it fails the test. */
const patientlyMs = 3_600_000;

test('a silent acting master does not hold up those that may have taken over', async () => {
  states.fra.isSilent = true;
  states.ams.answer = () => ({});
  const profile = await vpn.profile([knownMaster('lon', servers.get('lon')?.port ?? 9)]);
  const client = createOperatorClient({ profile, connectTimeoutMs: patientlyMs });
  await client.call(unbanMember, web);
  assert.deepEqual(asked, ['ams']);
});

test('a silent entry is passed by', async () => {
  states.ams.answer = () => ({});
  const masters = [
    knownMaster('fra', silentPort),
    knownMaster('ams', servers.get('ams')?.port ?? 9),
  ];
  const profile = await vpn.profile(masters);
  const client = createOperatorClient({ profile, connectTimeoutMs: patientlyMs });
  await client.call(unbanMember, web);
  assert.equal(asked.at(-1), 'ams');
});

test('an entry that is cut off from the others is left for one that is not', async () => {
  states.fra.isReached = false;
  states.ams.answer = () => ({});
  const client = await clientVia('fra');
  await client.call(unbanMember, web);
  assert.equal(asked.at(-1), 'ams');
});

test('when nobody does it, everyone who was asked is named with what it said', async () => {
  states.lon.isReached = false;
  const client = await clientVia('ams', 10);
  await assert.rejects(client.call(unbanMember, web), (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.code, 'no-master-ready');
    assert.ok(error.retryable);
    assert.match(
      error.message,
      /^no master of europe did it; each was asked and said:\n {2}fra: europe is not governed by fra\n {2}ams: .*\n {2}lon: /,
    );
    return true;
  });
});

test('a refusal that is none of the kind ends the search at once', async () => {
  const problem = { code: 'no-such-member', message: 'there is none', retryable: false };
  states.fra.answer = () => new Refusal(404, problem);
  states.ams.answer = () => ({});
  const client = await clientVia('fra');
  await assert.rejects(client.call(unbanMember, web), { code: 'no-such-member' });
  assert.deepEqual(asked, ['fra']);
});

test('a master that is asked by name is asked once, and nobody else', async () => {
  states.ams.answer = () => invites;
  const client = await clientVia('fra');
  const master: MasterName = parseMasterName('fra');
  await assert.rejects(client.call(listInvites, inEurope, { master }), { code: 'not-acting' });
  assert.deepEqual(asked, ['fra']);
});
