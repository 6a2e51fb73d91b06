import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { blockPairs, interfaceIdOf, memberLinkLocal } from '../../core/addressing.ts';
import type { BlockRoute } from '../../core/block-routes.ts';
import { type MasterName, parseMasterName, parseSubsetName } from '../../model/names.ts';
import { parseAddress, parsePrefix } from '../../model/prefix.ts';
import { type StrayFacts, StrayMembers, type StrayPlan } from './stray-members.ts';

const subset = parseSubsetName('hamburg');
const [elbe, spree, isar] = ['elbe', 'spree', 'isar'].map(parseMasterName) as [
  MasterName,
  MasterName,
  MasterName,
];
const [pair] = blockPairs({
  ipv4Blocks: [parsePrefix('100.64.0.0/24')],
  ipv6Block: parsePrefix('fd12:3456:789a:1::/64'),
});
assert.ok(pair);
const addresses = ['100.64.0.9', 'fd12:3456:789a:1::9', 'fd12:3456:789a:1::8000:9'].map(
  parseAddress,
);
const id = interfaceIdOf(memberLinkLocal(parseAddress('fd12:3456:789a:1::9')));

/** The member's block is routed that way. */
function facts(via: BlockRoute['via'], dead: readonly MasterName[] = []): StrayFacts {
  return {
    placeOf: (interfaceId) =>
      interfaceId >> 32n === id >> 32n ? { subset, pair, via } : undefined,
    mayClaim: (master) => !dead.includes(master),
  } as StrayFacts;
}

const viasOf = ({ routes }: StrayPlan) => routes.map(({ via }) => via);
const claimsOf = ({ claims }: StrayPlan) => claims.get(subset) ?? [];

test('a member that uses this master although its block is elsewhere has routes after a moment', () => {
  const strays = new StrayMembers();
  strays.heardUse(id, { using: true, sequence: 7 }, 1_000);
  const early = strays.plan(facts(elbe), 1_100);
  assert.deepEqual([early.routes, early.claims.size, early.dueMs], [[], 0, 1_200]);
  const due = strays.plan(facts(elbe), 1_200);
  assert.deepEqual(due.routes, [{ addresses, via: 'members' }]);
  assert.deepEqual(claimsOf(due), [{ interfaceId: id, sequence: 7 }]);
});

test('no routes are made for members whose block comes here as well', () => {
  const strays = new StrayMembers();
  strays.heardUse(id, { using: true, sequence: 1 }, 0);
  assert.deepEqual(strays.plan(facts('members'), 1_000).routes, []);
  // A moment later the block is elsewhere, and the member has been here for long.
  assert.deepEqual(viasOf(strays.plan(facts(elbe), 1_001)), ['members']);
});

test('a member that goes elsewhere is delivered on for a while, and no longer claimed', () => {
  const strays = new StrayMembers();
  strays.heardUse(id, { using: true, sequence: 1 }, 0);
  strays.heardUse(id, { using: false, sequence: 2 }, 1_000);
  const left = strays.plan(facts(elbe), 1_000);
  assert.deepEqual([viasOf(left), claimsOf(left), left.dueMs], [['members'], [], 7_000]);
  assert.deepEqual(strays.plan(facts(elbe), 7_000).routes, []);
});

test('a member that says no more counts as gone', () => {
  const strays = new StrayMembers();
  strays.heardUse(id, { using: true, sequence: 1 }, 0);
  const { dueMs } = strays.plan(facts(elbe), 1_000);
  assert.deepEqual(claimsOf(strays.plan(facts(elbe), dueMs - 1)).length, 1);
  assert.deepEqual(claimsOf(strays.plan(facts(elbe), dueMs)), []);
  assert.deepEqual(viasOf(strays.plan(facts(elbe), dueMs)), ['members']);
  assert.deepEqual(strays.plan(facts(elbe), dueMs + 6_000).routes, []);
});

test('an old word that arrives late changes nothing', () => {
  const strays = new StrayMembers();
  strays.heardUse(id, { using: true, sequence: 5 }, 0);
  strays.heardUse(id, { using: false, sequence: 4 }, 10);
  assert.equal(claimsOf(strays.plan(facts(elbe), 1_000)).length, 1);
});

test('what another master claims is routed there, until it is silent or dead', () => {
  const strays = new StrayMembers();
  strays.heardClaims(spree, [{ interfaceId: id, sequence: 1 }], 0);
  assert.equal(strays.isChanged, true);
  assert.deepEqual(viasOf(strays.plan(facts('members'), 0)), [spree]);
  assert.equal(strays.isChanged, false);
  assert.deepEqual(strays.plan(facts(spree), 10).routes, [], 'the block goes there anyway');
  assert.deepEqual(viasOf(strays.plan(facts('members'), 2_999)), [spree]);
  assert.deepEqual(strays.plan(facts('members'), 3_000).routes, []);
  strays.heardClaims(spree, [{ interfaceId: id, sequence: 2 }], 4_000);
  assert.deepEqual(strays.plan(facts('members', [spree]), 4_000).routes, []);
});

test('of several masters the one that the member has used last has it', () => {
  const strays = new StrayMembers();
  strays.heardClaims(spree, [{ interfaceId: id, sequence: 9 }], 0);
  strays.heardClaims(isar, [{ interfaceId: id, sequence: 8 }], 1);
  assert.deepEqual(viasOf(strays.plan(facts(elbe), 1)), [spree]);
  strays.heardUse(id, { using: true, sequence: 10 }, 2);
  assert.deepEqual(viasOf(strays.plan(facts(elbe), 500)), ['members']);
  strays.heardClaims(isar, [{ interfaceId: id, sequence: 11 }], 600);
  assert.deepEqual(viasOf(strays.plan(facts(elbe), 600)), [isar]);
});

test('a member that has left and is claimed elsewhere is sent there at once', () => {
  const strays = new StrayMembers();
  strays.heardUse(id, { using: true, sequence: 1 }, 0);
  strays.heardUse(id, { using: false, sequence: 2 }, 1_000);
  strays.heardClaims(isar, [{ interfaceId: id, sequence: 3 }], 1_001);
  assert.deepEqual(viasOf(strays.plan(facts(elbe), 1_001)), [isar]);
});

test('claims for what is nobody of ours are passed over', () => {
  const strays = new StrayMembers();
  strays.heardClaims(spree, [{ interfaceId: 99n, sequence: 1 }], 0);
  strays.heardUse(98n, { using: true, sequence: 1 }, 0);
  assert.deepEqual(strays.plan(facts(elbe), 1_000).routes, []);
});

/*
 * Two masters and a member that changes between them as it likes; every word to a master may be
 * lost, and what a master claims reaches the other. Whatever happens, the two never send the
 * member's packets to each other once they have heard each other's last claims.
 */
test('two masters that have heard each other never send a member back and forth', () => {
  const step = fc.record({ uses: fc.nat(1), heard: fc.boolean(), waitMs: fc.nat(3_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const masters = [elbe, spree] as const;
      const states = masters.map(() => new StrayMembers());
      let [nowMs, sequence] = [0, 0];
      for (const { uses, heard, waitMs } of steps) {
        nowMs += waitMs;
        for (const [at, state] of states.entries()) {
          sequence += 1;
          if (heard || at !== uses) state.heardUse(id, { using: at === uses, sequence }, nowMs);
        }
        // Of a block that belongs to a third one, which cannot reach the member.
        const claims = states.map((state) => claimsOf(state.plan(facts(isar), nowMs)));
        for (const [at, state] of states.entries())
          state.heardClaims(masters[1 - at] ?? elbe, claims[1 - at] ?? [], nowMs);
        const vias = states.map((state) => viasOf(state.plan(facts(isar), nowMs))[0]);
        assert.ok(!(vias[0] === spree && vias[1] === elbe), `${vias}`);
      }
    }),
  );
});
