import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { newcomer } from '../../../test/support/governed-subset.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import { parseAddress } from '../../model/prefix.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { InviteRecord, MemberRecord } from '../../model/records/roll.ts';
import { banKey, inviteKey, inviteUseKey, memberKey, subsetKeyKey } from '../../store/keys.ts';
import type { Operation } from '../../store/store.ts';
import { Roll } from './roll.ts';
import { loadRoll } from './roll-loading.ts';

const hamburg = parseSubsetName('hamburg');

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
});
after(() => bed[Symbol.asyncDispose]());

const identities = Array.from({ length: 4 }, (_, index) => newcomer(`node-${index}`));
const inviteIds = Array.from({ length: 2 }, () => randomUUID());

function member(index: number, who: number, state: MemberRecord['state']): MemberRecord {
  const { identityKey, keys } = identities[who] ?? newcomer('nobody');
  return {
    version: 1,
    name: parseMemberName(`name-${index}`),
    subset: hamburg,
    state,
    identityKey,
    keys,
    addressIndex: 2 + index,
    ipv4: parseAddress(`100.64.0.${2 + index}`),
    ipv6: parseAddress(`fd00::${2 + index}`),
    inviteId: inviteIds[0] ?? '',
    joinedAtMs: 1,
    certificateEndsAtMs: 2,
    alsoIn: [],
  };
}

function invite(id: string): InviteRecord {
  const createdBy = 'ada' as InviteRecord['createdBy'];
  return { version: 1, id, uses: 3, expiresAtMs: 9, createdAtMs: 1, createdBy };
}

/** Changes as a master makes them: no two active members have one identity or one place. */
const index = fc.nat(3);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(index, fc.constantFrom('active', 'left', 'evicted', 'banned', 'expired')).map(
    ([at, state]): Operation => ({
      put: memberKey(hamburg, parseMemberName(`name-${at}`)),
      value: encodeRecord(member(at, at, state as MemberRecord['state'])),
    }),
  ),
  index.map((at): Operation => ({ delete: memberKey(hamburg, parseMemberName(`name-${at}`)) })),
  fc.tuple(index, fc.boolean()).map(([who, put]): Operation => {
    const { identityKey, name } = identities[who] ?? newcomer('nobody');
    const key = banKey(hamburg, identityKey);
    const ban = { version: 1, identityKey, member: name, bannedAtMs: 1, by: 'operator:ada' };
    return put ? { put: key, value: encodeRecord(ban) } : { delete: key };
  }),
  fc.tuple(fc.constantFrom(...inviteIds), fc.boolean()).map(([id, put]): Operation => {
    const key = inviteKey(hamburg, id);
    return put ? { put: key, value: encodeRecord(invite(id)) } : { delete: key };
  }),
  fc
    .tuple(fc.constantFrom(...inviteIds), fc.nat(2), fc.boolean())
    .map(([id, use, put]): Operation => {
      const key = inviteUseKey(hamburg, id, use);
      const { identityKey, name } = identities[0] ?? newcomer('nobody');
      const value = encodeRecord({ version: 1, member: name, identityKey });
      return put ? { put: key, value } : { delete: key };
    }),
);

/** All that admissions and listings can see of a roll. */
function visible(roll: Roll) {
  const byName = <T extends { readonly name: string }>(items: Iterable<T>): T[] =>
    [...items].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    members: byName(roll.members()),
    active: byName(roll.activeMembers()),
    activeCount: roll.activeCount,
    takenCount: roll.takenCount,
    taken: [2, 3, 4, 5].filter((place) => roll.takenIndexes.has(place)),
    found: identities.map(({ identityKey, keys }) => [
      roll.findActiveByIdentity(identityKey)?.name,
      roll.findByWireguardKey(keys.acting)?.name,
      roll.isBanned(identityKey),
    ]),
    invites: inviteIds.map((id) => {
      const known = roll.findInvite(id);
      return known && [known.createRevision, [...known.uses.keys()].sort()];
    }),
    orphans: [...roll.orphanedUses()].map(String).sort(),
  };
}

test('a roll that heard every change is the roll that is read from the store', async () => {
  const run = async (operations: readonly Operation[]): Promise<void> => {
    const before = await loadRoll(hamburg, bed.store);
    for (const one of operations) await bed.store.transact({ if: [], then: [one] });
    const last = await bed.store.transact({
      if: [],
      then: [{ put: 'roll/hamburg/member-of-nothing', value: new Uint8Array() }],
    });
    const stop = new AbortController();
    const options = { prefixes: ['roll/hamburg/'], afterRevision: before.revision };
    for await (const batch of bed.store.watch(options, stop.signal)) {
      for (const change of batch.changes) before.roll.apply(change);
      if (batch.revision >= last.revision) stop.abort();
    }
    const { roll } = await loadRoll(hamburg, bed.store);
    assert.deepEqual(visible(before.roll), visible(roll));
  };
  await fc.assert(fc.asyncProperty(fc.array(operation, { maxLength: 25 }), run), { numRuns: 60 });
});

test('entries of other kinds are passed over, and a broken one is named', () => {
  const roll = new Roll(hamburg);
  const entry = { value: Buffer.from('{'), createRevision: 1, modRevision: 1 };
  roll.put({ ...entry, key: subsetKeyKey(hamburg, 1) });
  assert.throws(() => roll.put({ ...entry, key: 'roll/hamburg/member/anna' }), {
    code: 'invalid',
    message: 'the record roll/hamburg/member/anna is not JSON',
  });
});

test('who has moved or is about to counts elsewhere, and who is expected counts here', () => {
  const bremen = parseSubsetName('bremen');
  const nowMs = 10;
  const roll = new Roll(hamburg);
  const order: MemberRecord['moving'] = {
    ...{ to: bremen, inviteId: inviteIds[1] ?? '', token: '', graceMs: 0 },
    ...{ orderedAtMs: 1, expiresAtMs: 20, by: 'operator:ada' },
  };
  const movedTo = { subset: bremen, atMs: 5, leavesAtMs: 15 };
  roll.putMember({ ...member(0, 0, 'active'), moving: order });
  roll.putMember({ ...member(1, 1, 'active'), movedTo });
  roll.putMember(member(2, 2, 'suspended'));
  roll.putMember({ ...member(3, 3, 'left'), movedTo });
  assert.equal(roll.countedAt(nowMs), 1);
  assert.equal(roll.countedAt(20), 2, 'the order is over, and nobody went');
  roll.putMember(member(1, 1, 'left'));
  assert.equal(roll.countedAt(nowMs), 1, 'the grace period is over');

  const [expected = '', own = ''] = inviteIds;
  const [stays, coming] = [identities[0]?.identityKey, identities[1]?.identityKey];
  roll.putInvite({ ...invite(own), expiresAtMs: 15 }, 1);
  if (stays) roll.putInvite({ ...invite(own), uses: 1, expiresAtMs: 15, identityKey: stays }, 1);
  assert.equal(roll.countedAt(nowMs), 1, 'who is here already is not expected');
  const awaited = { ...invite(expected), uses: 1, expiresAtMs: 15 };
  if (coming) roll.putInvite({ ...awaited, identityKey: coming }, 1);
  assert.equal(roll.countedAt(nowMs), 2);
  assert.equal(roll.countedAt(15), 1, 'the invite has ended');
  const { identityKey, name } = newcomer('node-1');
  roll.putUse(expected, 0, { version: 1, member: name, identityKey });
  assert.equal(roll.countedAt(nowMs), 1, 'it has come, and is gone');
  roll.delete(inviteUseKey(hamburg, expected, 0));
  assert.equal(roll.countedAt(nowMs), 2);
  roll.delete(inviteKey(hamburg, expected));
  assert.equal(roll.countedAt(nowMs), 1, 'the invite is revoked');
});

test('a renewal does not move where the next address is looked for', () => {
  const roll = new Roll(hamburg);
  for (const at of [0, 1, 2]) roll.putMember(member(at, at, 'active'));
  roll.putMember({ ...member(0, 0, 'active'), certificateEndsAtMs: 99 });
  assert.equal(roll.lastIndex, 4);
});
