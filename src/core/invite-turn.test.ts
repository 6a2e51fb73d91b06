import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseMemberName, parseSubsetName, type SubsetName } from '../model/names.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import { inviteRecordSchema, type PlacementRecord } from '../model/records/roll.ts';
import { decideTurn, type PlacedInviteFacts, type TurnDecision } from './invite-turn.ts';

const subsets = ['north', 'south', 'west'].map(parseSubsetName);
const identity = (number: number): IdentityKey => 'abcdef'[number]?.repeat(43) as IdentityKey;
const member = parseMemberName('anna');

function invited(uses: number, placements: readonly PlacementRecord[]): PlacedInviteFacts {
  return {
    invite: inviteRecordSchema.parse({
      ...{ version: 1, id: '00000000-0000-4000-8000-000000000001', uses, expiresAtMs: 1_000 },
      ...{ placedBy: 'north', candidates: subsets, createdAtMs: 0, createdBy: 'ada' },
    }),
    placements: new Map(placements.map((placement) => [placement.identityKey, placement])),
    counted: Math.max(0, ...placements.map(({ use }) => use + 1)),
  };
}

const placement = (who: number, change: Partial<PlacementRecord> = {}): PlacementRecord => ({
  ...{ version: 1, use: who, identityKey: identity(who), member, turn: 1 },
  ...{ subset: subsets[0] as SubsetName, ...change },
});

function decide(invite: PlacedInviteFacts | undefined, who: number, declined: SubsetName[] = []) {
  return decideTurn({
    ...{ nowMs: 0, invite, identityKey: identity(who), declined: new Set(declined) },
  });
}

const codeOf = (turn: TurnDecision) => (turn.kind === 'refuse' ? turn.code : turn.kind);

test('a node that has no use gets the next one, while there is any', () => {
  assert.deepEqual(decide(invited(2, []), 0), { kind: 'first', use: 0 });
  assert.deepEqual(decide(invited(2, [placement(0)]), 1), { kind: 'first', use: 1 });
  assert.equal(codeOf(decide(invited(2, [placement(0), placement(1)]), 2)), 'token-used');
});

test('a node keeps its place until it declines it, also when all uses are counted', () => {
  const known = placement(0);
  assert.deepEqual(decide(invited(1, [known]), 0), { kind: 'same', placement: known });
  const declined = decide(invited(1, [known]), 0, [known.subset]);
  assert.deepEqual(declined, { kind: 'next', before: known, oneMore: undefined });
  const another = decide(invited(3, [known]), 0, [known.subset]);
  assert.deepEqual(another, { kind: 'next', before: known, oneMore: 1 });
});

test('what has ended, was revoked or is no invite of this home places nobody', () => {
  assert.equal(codeOf(decide(undefined, 0)), 'token-used');
  const { invite, ...rest } = invited(1, []);
  const { candidates: _, ...elsewhere } = invite;
  assert.equal(codeOf(decide({ ...rest, invite: elsewhere }, 0)), 'token-used');
  const late = { nowMs: 1_000, invite: invited(1, []), identityKey: identity(0) };
  assert.equal(codeOf(decideTurn({ ...late, declined: new Set() })), 'token-expired');
});

test('an invite for one node gives no use of it to another', () => {
  const { invite, ...rest } = invited(1, []);
  const bound = { ...rest, invite: { ...invite, identityKey: identity(1) } };
  assert.equal(codeOf(decide(bound, 0)), 'bad-token');
  assert.deepEqual(decide(bound, 1), { kind: 'first', use: 0 });
});

test('nobody is sent around for ever', () => {
  const known = placement(0, { turn: 1_000 });
  assert.equal(codeOf(decide(invited(9, [known]), 0, [known.subset])), 'token-used');
});

test('whatever is asked, no two nodes have one use, and no more uses are given than there are', () => {
  const ask = fc.record({ who: fc.nat(5), declines: fc.boolean(), isSilent: fc.boolean() });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(ask, { maxLength: 40 }), (uses, asks) => {
      const placements = new Map<IdentityKey, PlacementRecord>();
      const given = new Map<number, IdentityKey>();
      for (const { who, declines, isSilent } of asks) {
        const invite = invited(uses, [...placements.values()]);
        const before = placements.get(identity(who));
        const turn = decide(invite, who, declines && before ? [before.subset] : []);
        if (turn.kind === 'refuse' || turn.kind === 'same') continue;
        const use = turn.kind === 'first' ? turn.use : isSilent ? turn.oneMore : turn.before.use;
        if (use === undefined) continue;
        assert.ok(use < uses);
        assert.equal(given.get(use) ?? identity(who), identity(who));
        given.set(use, identity(who));
        const subset = subsets[(before?.turn ?? 0) % subsets.length] as SubsetName;
        const next = placement(who, { use, subset, turn: (before?.turn ?? 0) + 1 });
        placements.set(identity(who), next);
      }
    }),
  );
});
