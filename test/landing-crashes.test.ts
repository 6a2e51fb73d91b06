import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { listInvites } from '../src/api/invite-endpoints.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../src/model/names.ts';
import { decodeRecord, encodeRecord } from '../src/model/records/codec.ts';
import { masterRecordSchema } from '../src/model/records/directory.ts';
import { systemClock } from '../src/runtime/clock.ts';
import { silentLog } from '../src/runtime/log.ts';
import { masterKey } from '../src/store/keys.ts';
import { StunServer } from '../src/stun/stun-server.ts';
import { MasterBed } from './support/master-bed.ts';
import { MemoryHost } from './support/memory-host.ts';
import { placedInvite } from './support/placed-invite.ts';
import { RunningMaster } from './support/running-master.ts';
import { memberDirectory, RunningMember } from './support/running-member.ts';
import { until } from './support/until.ts';

/*
 * Newcomers and masters in one process, each stopped and started again at any moment while a place is
 * asked for, given, and joined. What holds afterwards: one member, in one roll, by one use.
 */
const subsets = ['hamburg', 'berlin', 'luebeck'] as const;
const masterNames = ['elbe', 'spree', 'trave'] as const;

let bed: MasterBed;
const masters = new Map<string, RunningMaster>();
const servers: StunServer[] = [];

before(async () => {
  bed = await MasterBed.create({
    subsets: { hamburg: ['elbe'], berlin: ['spree'], luebeck: ['trave'] },
  });
  for (const name of masterNames) {
    await answerStun(name);
    masters.set(name, await RunningMaster.start(bed, name));
  }
});
after(async () => {
  for (const master of masters.values()) await master[Symbol.asyncDispose]();
  for (const server of servers) await server[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

/** As `run-master.ts` does for a real one. */
async function answerStun(name: string): Promise<void> {
  const entry = await bed.store.get(masterKey(parseMasterName(name)));
  if (!entry) throw new Error(`the directory has no ${name}`);
  const record = decodeRecord(masterRecordSchema, entry.key, entry.value);
  const [host = ''] = record.control.split(':');
  const server = await StunServer.listen(
    { host, port: 0, software: 'hanse' },
    { clock: systemClock, log: silentLog(), onPacket: () => undefined },
  );
  servers.push(server);
  const value = encodeRecord({ ...record, stunPort: server.port });
  await bed.store.transact({ if: [], then: [{ put: entry.key, value }] });
}

async function restart(name: string): Promise<void> {
  await masters.get(name)?.[Symbol.asyncDispose]();
  masters.set(name, await RunningMaster.start(bed, name));
}

/** In which rolls the member is. */
function rollsOf(name: string): readonly string[] {
  const member = parseMemberName(name);
  return subsets.filter((subset, index) => {
    const master = masters.get(masterNames[index] ?? '');
    return master?.subset(subset).state.roll.findActive(member) !== undefined;
  });
}

async function usedOf(id: string): Promise<number | undefined> {
  const operator = await bed.operator();
  const params = { subset: parseSubsetName('hamburg') };
  const { invites } = await operator.call(listInvites, { params });
  return invites.find((invite) => invite.id === id)?.used;
}

/** A member whose daemon can be stopped, and goes on with its directory. */
async function newcomer(name: string, token: string) {
  const directory = await memberDirectory();
  const parts = { clock: systemClock, host: new MemoryHost(), random: Math.random };
  let running: RunningMember | undefined;
  const start = (join: boolean): void => {
    const request = { token, name: parseMemberName(name) };
    const options = { directory: directory.path, ...(join ? { join: request } : {}) };
    running = new RunningMember(options, parts);
  };
  return {
    start,
    stop: async () => running?.[Symbol.asyncDispose](),
    session: async () => (await running?.status())?.session.state,
    outcome: () => running?.outcome,
    [Symbol.asyncDispose]: async () => {
      await running?.[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Resolves when it is a member, which has happened once. */
async function assertLanded(name: string, id: string, session: () => Promise<unknown>) {
  await until(`${name} is live`, async () => (await session()) === 'live', 30_000);
  assert.equal(rollsOf(name).length, 1, `${name} is in ${rollsOf(name).join(', ')}`);
  assert.equal(await usedOf(id), 1);
}

/** A landing takes about a second here, most of it measuring. */
const moments = Array.from({ length: 8 }, (_, index) => 60 + index * 120);

for (const [index, afterMs] of moments.entries()) {
  test(`a newcomer that is stopped after ${afterMs} ms lands once`, async () => {
    const { id, token } = await placedInvite(bed, subsets);
    const name = `stopped-${index}`;
    await using member = await newcomer(name, token);
    member.start(true);
    await delay(afterMs);
    await member.stop();
    member.start(true);
    // What was there already is no failure: the token is good for one place.
    member.outcome()?.catch(() => member.start(false));
    await assertLanded(name, id, member.session);
  });
}

for (const master of ['elbe', 'spree', 'trave']) {
  test(`a newcomer lands once while ${master} is started again and again`, async () => {
    const invites = await Promise.all([1, 2].map(() => placedInvite(bed, subsets)));
    for (const [index, { id, token }] of invites.entries()) {
      const name = `${master}-guest-${index}`;
      await using member = await newcomer(name, token);
      member.start(true);
      await delay(400 + 300 * index);
      await restart(master);
      await assertLanded(name, id, member.session);
    }
  });
}
