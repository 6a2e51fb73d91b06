import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { GovernedSubset, newcomer } from '../../../test/support/governed-subset.ts';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { parseSubsetName } from '../../model/names.ts';
import type { GivenPlace } from './placements.ts';

const home = parseSubsetName('home');

let bed: MasterBed;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
});
after(() => bed[Symbol.asyncDispose]());

/** A subset for which another one has given a node a place. */
async function placed() {
  const subset = await GovernedSubset.open(bed, { subset: 'hamburg', master: 'elbe' });
  const id = randomUUID();
  await subset.acting.invites.create({
    ...{ uses: 1, lifetimeMs: 60_000, createdBy: operatorName },
    placed: { id, home, candidates: [] },
  });
  const { name, ...node } = newcomer('anna');
  const place: GivenPlace = {
    ...{ inviteId: id, use: 0, turn: 1, member: name, identityKey: node.identityKey },
  };
  const claim = { home, use: 0, turn: 1, expiresAtMs: subset.clock.nowMs() + 60_000 };
  const land = () =>
    subset.acting.admissions.admit(id, { name, ...node }, { claim, fullWith: () => undefined });
  return { subset, place, land };
}

test('a place that is taken back admits nobody, however often it is taken back', async () => {
  const { subset, place, land } = await placed();
  await using _ = subset;
  const { placements } = subset.acting;
  assert.equal(await placements.release(place), 'released');
  assert.equal(await placements.release(place), 'released');
  const { kind } = await land();
  assert.equal(kind, 'refused');
});

test('who is asked again while a place is being taken back waits, and does not answer before it is', async () => {
  const { subset, place } = await placed();
  await using _ = subset;
  const { placements } = subset.acting;
  const store = Promise.withResolvers<void>();
  subset.store.held = store.promise;
  subset.store.faults.push('not applied');
  const asked = [placements.release(place), placements.release(place)];
  store.resolve();
  const answers = await Promise.allSettled(asked);
  assert.deepEqual(
    answers.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  // Nothing has changed: the claim is as good as before, for whoever reads the roll anew.
  await using again = await GovernedSubset.open(bed, { subset: 'hamburg', master: 'elbe' });
  const invite = again.acting.state.roll.findInvite(place.inviteId);
  assert.equal(invite?.uses.size, 0);
});
