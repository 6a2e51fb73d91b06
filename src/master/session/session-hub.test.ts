import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { until } from '../../../test/support/until.ts';
import { type View, viewSchema } from '../../api/messages.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { groupKeySchema } from '../../model/wireguard-key.ts';
import { systemClock } from '../../runtime/clock.ts';
import { identityKeyOf } from '../../trust/leaf-certificate.ts';
import { createIdentityKeyPair } from '../../trust/self-signed-certificate.ts';
import { MemberSession } from './member-session.ts';
import { SessionHub, type SessionHubDependencies } from './session-hub.ts';

const subset = parseSubsetName('hamburg');
const spki = createIdentityKeyPair().publicKey.export({ type: 'spki', format: 'der' });
const identityKey = identityKeyOf(spki);

function viewAt(revision: number): View {
  return viewSchema.parse({
    revision,
    acting: {
      name: 'elbe',
      control: '192.0.2.1:8443',
      wireguard: { host: '192.0.2.1', port: 51_820 },
      chain: ['-----BEGIN CERTIFICATE-----'],
    },
    backups: [],
    orders: [['elbe']],
    spreadMs: 0,
    key: { epoch: revision, groupKey: groupKeySchema.parse(Buffer.alloc(32).toString('base64')) },
  });
}

function createHub(options: Partial<SessionHubDependencies> = {}): SessionHub {
  const ignore = { onAcknowledged: () => undefined, spreadMs: () => undefined };
  return new SessionHub({ clock: systemClock, ...ignore, ...options });
}

function createSession(name: string, socket: WebSocket): MemberSession {
  const member = { subset, name: parseMemberName(name), identityKey };
  return new MemberSession(member, socket, { sinceMs: 0, remote: '192.0.2.9', chain: () => [] });
}

/** A hub with so many members, whose connections take nothing: what was sent is what the sessions note. */
function crowded(count: number): { hub: SessionHub; sessions: readonly MemberSession[] } {
  const closed = new WebSocket('ws://127.0.0.1:9');
  closed.on('error', () => undefined).terminate();
  const hub = createHub();
  const sessions = Array.from({ length: count }, (_, index) => createSession(`m-${index}`, closed));
  for (const session of sessions) hub.add(session);
  return { hub, sessions };
}

const countAt = (sessions: readonly MemberSession[], revision: number): number =>
  sessions.filter(({ sentRevision }) => sentRevision === revision).length;

test('a view reaches everybody, and others are served meanwhile', async () => {
  const { hub, sessions } = crowded(1_000);
  hub.broadcastView(subset, viewAt(5));
  const atFirst = countAt(sessions, 5);
  assert.ok(atFirst > 0 && atFirst < 100, `${atFirst} in one turn`);
  await nextTurn();
  assert.ok(countAt(sessions, 5) < 1_000);
  await until('all have it', () => countAt(sessions, 5) === 1_000);
});

test('a view that is on its way takes nobody back behind a newer key', async () => {
  const { hub, sessions } = crowded(300);
  hub.broadcastView(subset, viewAt(5));
  hub.broadcastKey(subset, 5, viewAt(6));
  assert.equal(countAt(sessions, 6), 300);
  for (let turn = 0; turn < 10; turn += 1) await nextTurn();
  assert.equal(countAt(sessions, 6), 300);
});

test('heartbeats tell who takes it of a spread that has changed by more than a quarter, once', async () => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const ends: { session: MemberSession; socket: WebSocket; heard: unknown[] }[] = [];
  for (const name of ['takes', 'older']) {
    const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const [[far]] = await Promise.all([once(server, 'connection'), once(socket, 'open')]);
    const heard: unknown[] = [];
    socket.on('message', (data) => heard.push(JSON.parse(data.toString())));
    ends.push({ session: createSession(name, far), socket, heard });
  }
  const [takes, older] = ends;
  assert.ok(takes && older);
  takes.session.takesSpread = true;
  let spreadMs = 10_000;
  const clock = new ManualClock();
  const hub = createHub({ clock, spreadMs: () => spreadMs });
  const stop = new AbortController();
  const round = async () => {
    for (let slot = 0; slot < 100; slot += 1) {
      await nextTurn();
      clock.advance(200);
      for (const { session } of ends) session.isAlive = true;
    }
    await Promise.all(
      ends.map(async ({ session, socket }) => {
        const pong = once(socket, 'ping');
        session.probe(clock.monotonicMs());
        await pong;
      }),
    );
  };
  for (const { session } of ends) {
    hub.add(session);
    session.noteSpread({ spreadMs });
  }
  const running = hub.runHeartbeats(stop.signal);
  for (const next of [10_000, 12_000, 12_600, 12_600]) {
    spreadMs = next;
    await round();
  }
  assert.deepEqual(takes.heard, [{ type: 'spread', spreadMs: 12_600 }]);
  assert.deepEqual(older.heard, []);
  stop.abort();
  await running;
  for (const { socket } of ends) socket.terminate();
  server.close();
});
