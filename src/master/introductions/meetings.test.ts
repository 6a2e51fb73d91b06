import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import type { PeerObservation } from '../../host/host.ts';
import { HostError } from '../../host/host-error.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import { createWireguardKeyPair } from '../../trust/wireguard-keys.ts';
import { Meetings, type Sightings } from './meetings.ts';
import { Rendezvous } from './rendezvous.ts';

const member = (name: string): MemberRecord =>
  ({
    ...{ name: parseMemberName(name), subset: parseSubsetName('hamburg') },
    keys: { acting: createWireguardKeyPair().publicKey },
  }) as MemberRecord;
const [anna, berta, carl] = [member('anna'), member('berta'), member('carl')];

/** A gateway whose host is brought up to date when the test says so. */
function gathering() {
  const clock = new ManualClock();
  const events: string[] = [];
  const gateway = {
    rendezvous: new Rendezvous(createWireguardKeyPair().publicKey),
    seen: [] as PeerObservation[],
    observeRendezvous: async () => gateway.seen,
    refresh: async () => {
      events.push(`refreshed with ${gateway.rendezvous.size}`);
      return true;
    },
  };
  const sessionsSinceMs = new Map<string, number>();
  const hub = {
    find: (_subset: unknown, name: string) => ({
      sinceMs: sessionsSinceMs.get(name) ?? 0,
      send: ({ type }: { readonly type: string }) => void events.push(`${type} ${name}`),
    }),
  };
  const see = ({ keys }: MemberRecord, endpoint: string, agoMs = 0) =>
    gateway.seen.push({
      ...{
        interfaceName: 'hnsR',
        publicKey: keys.acting,
        endpoint,
        receivedBytes: 1,
        sentBytes: 1,
      },
      latestHandshakeMs: clock.nowMs() - agoMs,
    });
  const { signal } = new AbortController();
  const meetings = new Meetings({ clock, hub, gateway, signal });
  return { clock, events, gateway, sessionsSinceMs, see, meetings };
}

/** What a promise has resolved with so far. */
function outcome(promise: Promise<Sightings>): { readonly sightings?: Sightings } {
  const result: { sightings?: Sightings } = {};
  void promise.then((sightings) => {
    result.sightings = sightings;
  });
  return result;
}

test('members are asked when the host has their peers, each once, and never before', async () => {
  const { meetings, events } = gathering();
  void meetings.gather([anna, berta]);
  void meetings.gather([berta, carl]);
  assert.deepEqual(events, []);
  await meetings.look();
  await meetings.look();
  assert.deepEqual(events, ['refreshed with 3', 'meet anna', 'meet berta', 'meet carl']);
});

test('a member that has a place there still is asked at once', async () => {
  const { meetings, events, see } = gathering();
  void meetings.gather([anna]);
  await meetings.look();
  see(anna, '198.51.100.1:1');
  await meetings.look();
  assert.equal(meetings.areGoingOn, false);
  events.length = 0;
  void meetings.gather([anna]);
  await meetings.look();
  assert.deepEqual(events, ['meet anna']);
});

test('a meeting ends when all have been seen', async () => {
  const { meetings, see } = gathering();
  const met = outcome(meetings.gather([anna, berta]));
  see(anna, '198.51.100.1:1');
  await meetings.look();
  assert.equal(met.sightings, undefined);
  see(berta, '198.51.100.2:2');
  await meetings.look();
  await Promise.resolve();
  assert.deepEqual(
    [anna, berta].map(({ keys }) => met.sightings?.get(keys.acting)),
    ['198.51.100.1:1', '198.51.100.2:2'],
  );
});

test('where a member was seen before its session began it may be no more: it is waited for', async () => {
  const { meetings, clock, sessionsSinceMs, gateway, see } = gathering();
  sessionsSinceMs.set(anna.name, clock.nowMs());
  see(anna, '198.51.100.1:1', 2_000);
  const met = outcome(meetings.gather([anna]));
  await meetings.look();
  assert.equal(met.sightings, undefined);
  gateway.seen.length = 0;
  see(anna, '198.51.100.9:1');
  await meetings.look();
  await Promise.resolve();
  const seen = [anna].map(({ keys }) => met.sightings?.get(keys.acting));
  assert.deepEqual(seen, ['198.51.100.9:1']);
});

test('two seconds count from when they were asked, however long the host took before', async () => {
  const { meetings, clock, gateway, see } = gathering();
  gateway.refresh = async () => {
    clock.advance(5_000);
    return true;
  };
  const met = outcome(meetings.gather([anna, berta]));
  see(berta, '198.51.100.2:2', 174_000);
  see(anna, '198.51.100.1:1', 175_000);
  await meetings.look();
  clock.advance(1_999);
  await meetings.look();
  assert.equal(met.sightings, undefined);
  clock.advance(1);
  await meetings.look();
  await Promise.resolve();
  // A handshake of three minutes ago says where somebody was.
  assert.deepEqual([...(met.sightings ?? [])], []);
});

test('while nobody can say who is there, they are waited for a while', async () => {
  const { meetings, gateway, clock, see } = gathering();
  const met = outcome(meetings.gather([anna]));
  const { observeRendezvous } = gateway;
  gateway.observeRendezvous = async () => {
    throw new HostError('nobody answers', { code: 'command-failed', fields: { command: 'wg' } });
  };
  await assert.rejects(meetings.look(), { code: 'command-failed' });
  clock.advance(9_000);
  see(anna, '198.51.100.1:1');
  gateway.observeRendezvous = observeRendezvous;
  await meetings.look();
  await Promise.resolve();
  assert.equal(met.sightings?.size, 1);
});

test('a meeting ends after ten seconds, also when nobody looks', async () => {
  const { meetings, clock } = gathering();
  const first = outcome(meetings.gather([anna]));
  clock.advance(5_000);
  await setImmediate();
  const second = outcome(meetings.gather([berta]));
  clock.advance(5_000);
  await setImmediate();
  const seen = () => [first, second].map(({ sightings }) => sightings?.size);
  assert.deepEqual(seen(), [0, undefined]);
  clock.advance(5_000);
  await setImmediate();
  assert.deepEqual(seen(), [0, 0]);
  assert.equal(meetings.areGoingOn, false);
});

test('nobody is asked to a rendezvous that the host could not make, until it can', async () => {
  const { meetings, clock, events, gateway } = gathering();
  const { refresh } = gateway;
  let tries = 0;
  gateway.refresh = async () => {
    tries += 1;
    return false;
  };
  const met = outcome(meetings.gather([anna]));
  for (let look = 0; look < 30; look += 1) {
    await meetings.look();
    clock.advance(100);
  }
  assert.equal(tries, 3, 'once a second');
  assert.deepEqual(events, []);
  gateway.refresh = refresh;
  await meetings.look();
  assert.deepEqual(events, ['refreshed with 1', 'meet anna']);
  clock.advance(2_000);
  await meetings.look();
  await Promise.resolve();
  assert.equal(met.sightings?.size, 0, 'two seconds after it was asked');
});
