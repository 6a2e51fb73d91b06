import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMemberName, parseSubsetName } from '../model/names.ts';
import { type MemberRecord, memberRecordSchema } from '../model/records/roll.ts';
import { planDeparture } from './departure.ts';
import {
  countsIn,
  hasOverstayed,
  isUnderWay,
  orderToTell,
  withFailure,
  withMoved,
  withOrder,
} from './move.ts';

const [bremen, altona] = ['bremen', 'altona'].map(parseSubsetName) as [never, never];
const inviteId = '3b241101-e2bb-4255-8caf-4136c566a962';
const order = {
  ...{ to: bremen, inviteId, token: 'hanse_x', graceMs: 900_000 },
  ...{ orderedAtMs: 1_000, expiresAtMs: 100_000, by: 'operator:ada' },
};
const member: MemberRecord = memberRecordSchema.parse({
  ...{ version: 1, name: parseMemberName('anna'), subset: 'hamburg', state: 'active' },
  ...{ identityKey: 'a'.repeat(43), keys: { acting: Buffer.alloc(32, 1).toString('base64') } },
  ...{ addressIndex: 2, ipv4: '100.64.0.2', ipv6: 'fd00::2', inviteId, alsoIn: [] },
  ...{ joinedAtMs: 0, certificateEndsAtMs: 50_000 },
});
const ordered = withOrder(member, order);
const failure = { inviteId, reason: 'nobody answers' };

test('a member is told of its order until something has become of it', () => {
  assert.equal(orderToTell(member), undefined);
  assert.deepEqual(orderToTell(ordered), order);
  assert.equal(orderToTell(withMoved(ordered, bremen, 2_000)), undefined);
  assert.equal(orderToTell(withFailure(ordered, failure, 2_000)), undefined);
  assert.equal(orderToTell(planDeparture(ordered, 'evicted', 2_000)), undefined);
});

test('who has proved to be where it was ordered stays for the grace period, and not longer', () => {
  const moved = withMoved(ordered, bremen, 2_000);
  assert.deepEqual(moved.movedTo, { subset: bremen, atMs: 2_000, leavesAtMs: 902_000 });
  assert.equal(moved.moving, undefined);
  assert.equal(hasOverstayed(moved, 902_000), false);
  assert.equal(hasOverstayed(moved, 932_000), true);
  assert.equal(hasOverstayed(planDeparture(moved, 'left', 902_000), 932_000), false);
  assert.deepEqual(planDeparture(moved, 'left', 902_000).movedTo, moved.movedTo);
});

test('who is elsewhere without an order, or not where it was ordered, does not leave by that', () => {
  assert.equal(withMoved(member, bremen, 2_000), member);
  assert.equal(withMoved(ordered, altona, 2_000), ordered);
  const moved = withMoved(ordered, bremen, 2_000);
  assert.equal(withMoved(moved, bremen, 3_000), moved, 'and once is enough');
});

test('a member counts where it is going, as long as it may still get there, and once', () => {
  const moved = withMoved(ordered, bremen, 2_000);
  const failed = withFailure(ordered, failure, 2_000);
  assert.deepEqual(
    [member, ordered, failed, moved].map((one) => countsIn(one, 3_000)),
    ['hamburg', 'bremen', 'hamburg', undefined],
  );
  assert.equal(countsIn(ordered, order.expiresAtMs), 'hamburg');
});

test('a failure is of the order that it names, and the first one counts', () => {
  const failed = withFailure(ordered, failure, 2_000);
  assert.deepEqual(failed.moving?.failure, { atMs: 2_000, reason: 'nobody answers' });
  assert.equal(withFailure(failed, { ...failure, reason: 'other' }, 3_000), failed);
  const newer = withOrder(failed, { ...order, inviteId: inviteId.replace('3b', '4b') });
  assert.equal(withFailure(newer, failure, 3_000), newer);
  assert.deepEqual(orderToTell(newer)?.failure, undefined);
});

test('an order is under way until it fails or ends', () => {
  assert.equal(isUnderWay(order, 99_999), true);
  assert.equal(isUnderWay(order, 100_000), false);
  assert.equal(isUnderWay(withFailure(ordered, failure, 2_000).moving, 3_000), false);
  assert.equal(isUnderWay(undefined, 0), false);
});
