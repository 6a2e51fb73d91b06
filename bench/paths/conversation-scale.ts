import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { WebSocket } from 'ws';
import { addressesAt } from '../../src/core/addressing.ts';
import { Introductions } from '../../src/master/introductions/introductions.ts';
import { Meetings } from '../../src/master/introductions/meetings.ts';
import { Rendezvous } from '../../src/master/introductions/rendezvous.ts';
import { Whereabouts } from '../../src/master/introductions/whereabouts.ts';
import { MemberSession } from '../../src/master/session/member-session.ts';
import { SessionHub } from '../../src/master/session/session-hub.ts';
import { Roll } from '../../src/master/subset/roll.ts';
import type { ServedSubset } from '../../src/master/subset/served-subset.ts';
import { parseMemberName, parseSubsetName } from '../../src/model/names.ts';
import { parsePrefix } from '../../src/model/prefix.ts';
import type { SubsetRecord } from '../../src/model/records/directory.ts';
import type { IdentityKey } from '../../src/model/records/parts.ts';
import type { MemberRecord } from '../../src/model/records/roll.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { createWireguardKeyPair } from '../../src/trust/wireguard-keys.ts';
import type { Figure } from '../figure.ts';
import type { PartContext } from '../part.ts';
import { conversationsOfEach, talkRing } from './talk-ring.ts';

const counts = [1_000, 10_000];
/** In sight of the kernel at once; the others have found their way, or have not begun. */
const inSight = 5_000;
/** A certificate and the one of its authority are about as long. */
const chain = ['', ''].map(() => 'C'.repeat(1_100));
const subset = {
  name: parseSubsetName('all'),
  ipv6Block: parsePrefix('fd00:1:2:1::/64'),
  ipv4Blocks: [parsePrefix('100.64.0.0/16')],
} as SubsetRecord;

/**
 * What introductions cost by themselves, without TLS and WireGuard: with members whose sessions lead
 * nowhere, and a rendezvous that sees everybody at once.
 */
export async function measureScale({ progress }: PartContext): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const count of counts) {
    progress(`${count} members in memory introduce each other`);
    figures.push(...(await introduceAll(count)));
  }
  return figures;
}

async function introduceAll(count: number): Promise<readonly Figure[]> {
  const members = Array.from({ length: count }, (_, at) => createMember(at));
  const talks = talkRing(members.map(({ ipv4 }) => ipv4));
  const { introductions, see, count: told } = introducing(members);
  const bytesBefore = heapBytes();
  const before = process.cpuUsage();
  for (let first = 0; first < talks.length; first += inSight) {
    see(talks.slice(first, first + inSight));
    const wanted = Math.min(first + inSight, talks.length);
    while (told.introduced < wanted) await introductions.look();
  }
  const { user, system } = process.cpuUsage(before);
  const of = `${count.toLocaleString('en')} members × ${conversationsOfEach}`;
  see([]);
  const bytes = heapBytes() - bytesBefore;
  return [
    {
      name: `processor time of the code for each introduction, ${of}`,
      unit: 'µs',
      value: (user + system) / talks.length,
      detail: `${talks.length.toLocaleString('en')} pairs, ${inSight.toLocaleString('en')} in sight; messages are made and go nowhere`,
    },
    {
      name: `memory of the code for each remembered pair, ${of}`,
      unit: 'bytes',
      value: bytes / introductions.size,
      detail: `${introductions.size.toLocaleString('en')} pairs, and whom each session holds`,
    },
  ];
}

function introducing(members: readonly MemberRecord[]) {
  const clock = systemClock;
  const roll = new Roll(subset.name);
  const hub = new SessionHub({ clock, onAcknowledged: () => {}, spreadMs: () => 0 });
  for (const member of members) {
    roll.putMember(member);
    hub.add(createSession(member));
  }
  const subsets = { findServed: () => ({ subset: subset.name, roll }) as ServedSubset };
  const directory = { keyingPhase: 'shared', subsetRecords: () => [subset] } as const;
  let conversations: readonly { one: MemberRecord['ipv4']; other: MemberRecord['ipv4'] }[] = [];
  const rendezvous = new Rendezvous(createWireguardKeyPair().publicKey);
  const sights = members.map(({ keys }) => ({
    ...{ interfaceName: 'hnsbench', publicKey: keys.acting, endpoint: '192.0.2.1:40000' },
    ...{ latestHandshakeMs: clock.nowMs(), receivedBytes: 1, sentBytes: 1 },
  }));
  const gateway = {
    ...{ rendezvous, conversations: async () => conversations, refresh: async () => true },
    begunConversations: async () => conversations,
    observeRendezvous: async () => sights,
  };
  const told = { introduced: 0 };
  const introductions = new Introductions({
    ...{ clock, log: silentLog(), hub, directory, subsets, gateway },
    whereabouts: new Whereabouts({ directory, subsets }),
    meetings: new Meetings({ clock, hub, gateway, signal: new AbortController().signal }),
    relays: { open: async () => undefined },
    distant: { saw: () => false, clear: () => {} },
    onIntroduced: () => {
      told.introduced += 1;
    },
  });
  const see = (talks: ReturnType<typeof talkRing>): void => {
    conversations = talks.map(([one, other]) => ({ one, other }));
  };
  return { introductions, see, count: told };
}

function createMember(at: number): MemberRecord {
  const addressIndex = at + 2;
  return {
    ...{ name: parseMemberName(`m${at}`), subset: subset.name, state: 'active' },
    ...{ identityKey: `identity-${at}` as IdentityKey, addressIndex },
    ...addressesAt(subset, addressIndex),
    keys: { acting: createWireguardKeyPair().publicKey },
  } as MemberRecord;
}

/** Whatever it is sent goes nowhere. */
function createSession({ name, identityKey }: MemberRecord): MemberSession {
  const socket = { OPEN: 1, readyState: 1, bufferedAmount: 0, send: () => {} };
  const session = new MemberSession(
    { subset: subset.name, name, identityKey },
    socket as unknown as WebSocket,
    { sinceMs: 0, remote: 'nowhere', chain: () => chain },
  );
  const contact = { port: 40_000, addresses: [], peers: [], chain };
  session.direct.noteContact(contact, systemClock.nowMs());
  return session;
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
