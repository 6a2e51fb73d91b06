import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MasterMessage, type View, viewSchema } from '../api/messages.ts';
import { groupKeySchema } from '../model/wireguard-key.ts';
import { foldViewChanges, type ViewChange } from './view-changes.ts';

const pem = '-----BEGIN CERTIFICATE-----';
const keyOf = (epoch: number) => ({
  epoch,
  groupKey: groupKeySchema.parse(Buffer.alloc(32, epoch).toString('base64')),
});
const viewAt = (revision: number, epoch: number): View =>
  viewSchema.parse({
    revision,
    acting: {
      name: 'm1',
      control: '192.0.2.1:7443',
      wireguard: { host: '192.0.2.1', port: 51820 },
      chain: [pem],
    },
    backups: [],
    orders: [['m1']],
    spreadMs: 0,
    key: keyOf(epoch),
  });
const whole = (revision: number, epoch: number): MasterMessage & { type: 'view' } => ({
  type: 'view',
  view: viewAt(revision, epoch),
});
const keyChanged = (previousRevision: number, revision: number, epoch: number) =>
  ({ type: 'key-changed', previousRevision, revision, key: keyOf(epoch) }) as const;

const fold = (view: View, changes: readonly ViewChange[]) => {
  const { isAnswered, ...folded } = foldViewChanges(view, changes, false);
  assert.equal(isAnswered, false);
  return folded;
};

test('key changes that follow each other fold into the newest view', () => {
  const folded = fold(viewAt(5, 1), [keyChanged(5, 8, 2), keyChanged(8, 9, 3)]);
  assert.deepEqual(folded, { view: viewAt(9, 3), hasGap: false });
});

test('what is not newer is ignored', () => {
  const changes = [keyChanged(3, 5, 9), whole(5, 9), whole(2, 9)];
  assert.deepEqual(fold(viewAt(5, 1), changes), {
    view: viewAt(5, 1),
    hasGap: false,
  });
});

test('a key change made to another view is a gap and changes nothing', () => {
  assert.deepEqual(fold(viewAt(5, 1), [keyChanged(7, 8, 2)]), {
    view: viewAt(5, 1),
    hasGap: true,
  });
});

test('a whole view after a gap closes it', () => {
  const changes = [keyChanged(7, 8, 2), whole(8, 2), keyChanged(8, 9, 3)];
  assert.deepEqual(fold(viewAt(5, 1), changes), {
    view: viewAt(9, 3),
    hasGap: false,
  });
});

test('a whole view older than the change that could not be made leaves the gap open', () => {
  const changes = [keyChanged(8, 9, 3), whole(8, 2)];
  assert.equal(fold(viewAt(5, 1), changes).hasGap, true);
});

test('a key change that goes back an epoch is a gap', () => {
  assert.equal(fold(viewAt(5, 4), [keyChanged(5, 6, 3)]).hasGap, true);
});

test('a whole view that answers a hello counts, also when it is older or the same', () => {
  for (const revision of [3, 5, 7]) {
    const answer = whole(revision, 1);
    const folded = foldViewChanges(viewAt(5, 4), [answer], true);
    assert.deepEqual(folded, { view: answer.view, hasGap: false, isAnswered: true });
  }
});

test('what comes behind an answer follows it, and what came before it does not count', () => {
  const changes = [keyChanged(5, 6, 5), whole(3, 1), keyChanged(3, 4, 2), whole(2, 9)];
  const folded = foldViewChanges(viewAt(5, 4), changes, true);
  assert.deepEqual(folded, { view: viewAt(4, 2), hasGap: false, isAnswered: true });
});

test('a stale key change is no answer', () => {
  const folded = foldViewChanges(viewAt(5, 4), [keyChanged(2, 3, 9)], true);
  assert.deepEqual(folded, { view: viewAt(5, 4), hasGap: false, isAnswered: false });
});

test('in whatever order messages come that answer nothing, the revision never moves back and epochs match revisions', () => {
  const history = fc.integer({ min: 1, max: 12 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), history), { maxLength: 20 }),
      history,
      (sent, at) => {
        // In this history revision n has epoch n, and each key change follows the one before.
        const changes = sent.map(([isWhole, n]) =>
          isWhole ? whole(n, n) : keyChanged(n - 1, n, n),
        );
        const { view } = fold(viewAt(at, at), changes);
        assert.ok(view.revision >= at);
        assert.equal(view.key.epoch, view.revision);
      },
    ),
  );
});
