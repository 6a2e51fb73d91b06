import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MemberName, parseSubsetName, type SubsetName } from '../model/names.ts';
import { parsePrefix } from '../model/prefix.ts';
import { subsetRecordSchema } from '../model/records/directory.ts';
import type { IdentityKey } from '../model/records/parts.ts';
import {
  type InviteRecord,
  type InviteUseRecord,
  inviteRecordSchema,
  type MemberRecord,
} from '../model/records/roll.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import type { Blocks } from './addressing.ts';
import {
  type AdmissionDecision,
  type AdmissionRequest,
  decideAdmission,
  type InviteFacts,
  type RollFacts,
} from './admission.ts';
import { isReusable, planDeparture } from './departure.ts';

const certificateMs = 1_000;
const subset = subsetRecordSchema.parse({
  version: 1,
  name: 'hamburg',
  index: 1,
  ipv6Block: parsePrefix('fd12:3456:789a:1::/64'),
  ipv4Blocks: [parsePrefix('100.64.0.0/28')],
  acting: 'elbe',
  backups: [],
  createdAtMs: 0,
});

/** The plainest roll that could be right: a list, searched from the start. */
class ListedRoll implements RollFacts {
  members: MemberRecord[] = [];
  readonly bans = new Set<IdentityKey>();
  lastIndex = 0;

  put(member: MemberRecord): void {
    this.members = [...this.members.filter(({ name }) => name !== member.name), member];
    this.lastIndex = member.addressIndex;
  }

  get active(): readonly MemberRecord[] {
    return this.members.filter(({ state }) => state === 'active');
  }

  findByName(name: MemberName): MemberRecord | undefined {
    return this.members.find((member) => member.name === name);
  }

  findActiveByIdentity(key: IdentityKey): MemberRecord | undefined {
    return this.active.find(({ identityKey }) => identityKey === key);
  }

  findSuspendedByIdentity(key: IdentityKey): MemberRecord | undefined {
    return this.members.find(
      ({ identityKey, state }) => identityKey === key && state === 'suspended',
    );
  }

  findByWireguardKey(key: WireguardPublicKey): MemberRecord | undefined {
    return this.members.find(({ keys }) => keys.acting === key);
  }

  isBanned(key: IdentityKey): boolean {
    return this.bans.has(key);
  }

  get takenIndexes() {
    return { has: (index: number) => this.members.some((one) => one.addressIndex === index) };
  }
}

class ListedInvite implements InviteFacts {
  readonly uses = new Map<number, { version: 1; member: MemberName; identityKey: IdentityKey }>();
  readonly invite;

  constructor(number: number, uses: number, memberName?: string) {
    this.invite = inviteRecordSchema.parse({
      version: 1,
      id: `00000000-0000-4000-8000-00000000000${number}`,
      uses,
      expiresAtMs: 100_000,
      ...(memberName ? { memberName } : {}),
      createdAtMs: 0,
      createdBy: 'ada',
    });
  }
}

const key = (letter: string): WireguardPublicKey =>
  Buffer.alloc(32, letter).toString('base64') as WireguardPublicKey;
const identity = (letter: string): IdentityKey => letter.repeat(43) as IdentityKey;

function request(who: number, name: number, wireguard: number): AdmissionRequest {
  return {
    name: `name-${name}` as MemberName,
    identityKey: identity('abcdef'[who] ?? 'z'),
    keys: { acting: key('ABCDEF'[wireguard] ?? 'Z') },
  };
}

type Step =
  | { readonly kind: 'join'; readonly invite: number; readonly request: AdmissionRequest }
  | {
      readonly kind: 'depart';
      readonly which: number;
      readonly state: 'left' | 'evicted' | 'banned' | 'expired';
    }
  | { readonly kind: 'wait'; readonly durationMs: number }
  | { readonly kind: 'release' };

const six = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('join' as const),
      invite: fc.nat(3),
      request: fc.tuple(six, six, six).map((parts) => request(...parts)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('depart' as const),
      which: fc.nat(9),
      state: fc.constantFrom(
        'left' as const,
        'evicted' as const,
        'banned' as const,
        'expired' as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), durationMs: fc.nat(200_000) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'release' as const }) },
);

function assertNothingTwice(values: readonly unknown[], what: string): void {
  assert.equal(new Set(values).size, values.length, `${what}: ${values.join(', ')}`);
}

/** A subset and its history, as decisions make it. */
class World {
  readonly roll = new ListedRoll();
  readonly invites = [1, 2, 1, 3].map(
    (uses, number) => new ListedInvite(number, uses, number === 2 ? 'name-0' : undefined),
  );
  nowMs = 0;
  subset = subset;
  blocks: Blocks = subset;

  run(one: Step): void {
    if (one.kind === 'wait') this.nowMs += one.durationMs;
    else if (one.kind === 'release') this.#release();
    else if (one.kind === 'depart') this.#depart(one.which, one.state);
    else this.#join(one.request, this.invites[one.invite]);
    this.#check();
  }

  decide(
    asked: AdmissionRequest,
    invite: InviteFacts | undefined,
    inviteId = invite?.invite.id ?? 'revoked',
  ): AdmissionDecision {
    const { roll, nowMs, blocks } = this;
    const certificateEndsAtMs = nowMs + certificateMs;
    return decideAdmission({
      ...{ nowMs, subset: this.subset, blocks, roll, inviteId, invite },
      ...{ request: asked, certificateEndsAtMs },
    });
  }

  #join(asked: AdmissionRequest, invite: ListedInvite | undefined): void {
    if (!invite) return;
    const resting = this.roll.findByName(invite.invite.memberName ?? asked.name);
    const decision = this.decide(asked, invite);
    if (decision.kind === 'repeat') {
      assert.equal(decision.member.identityKey, asked.identityKey);
      assert.equal(decision.member.inviteId, invite.invite.id);
    }
    if (decision.kind !== 'admit') return;
    const { member, inviteUse } = decision;
    assert.ok(!invite.uses.has(inviteUse) && inviteUse < invite.invite.uses, 'a use of its own');
    assert.ok(this.nowMs < invite.invite.expiresAtMs, 'before the end of the invite');
    assert.ok(!this.roll.isBanned(member.identityKey), 'nobody who is banned');
    if (resting)
      assert.equal(resting.identityKey, member.identityKey, 'a resting name is its bearer’s');
    invite.uses.set(inviteUse, {
      version: 1,
      member: member.name,
      identityKey: member.identityKey,
    });
    this.roll.put(member);
    // The answer is lost, and asked for again.
    const again = this.decide(asked, invite);
    assert.equal(again.kind === 'repeat' && again.member, member);
    // So late that the invite is forgotten.
    const late = this.decide(asked, undefined, invite.invite.id);
    assert.equal(late.kind === 'repeat' && late.member, member);
  }

  #depart(which: number, state: 'left' | 'evicted' | 'banned' | 'expired'): void {
    const member = this.roll.active[which];
    if (!member) return;
    const departed = planDeparture(member, state, this.nowMs);
    assert.ok(
      (departed.reusableAtMs ?? 0) > member.certificateEndsAtMs ||
        departed.reusableAtMs === this.nowMs,
    );
    this.roll.put(departed);
    if (state === 'banned') this.roll.bans.add(member.identityKey);
  }

  #release(): void {
    this.roll.members = this.roll.members.filter((member) => !isReusable(member, this.nowMs));
  }

  #check(): void {
    const { active, members } = this.roll;
    assertNothingTwice(
      active.map(({ identityKey }) => identityKey),
      'identity',
    );
    assertNothingTwice(
      members.map(({ name }) => name),
      'name',
    );
    assertNothingTwice(
      members.map(({ ipv4 }) => ipv4),
      'IPv4 address',
    );
    assertNothingTwice(
      members.map(({ ipv6 }) => ipv6),
      'IPv6 address',
    );
    assertNothingTwice(
      members.map(({ keys }) => keys.acting),
      'WireGuard key',
    );
    for (const { invite, uses } of this.invites) assert.ok(uses.size <= invite.uses);
  }
}

test('whatever joins, departs and rests: no name, address, key or identity is had twice', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const world = new World();
      for (const one of steps) world.run(one);
    }),
    { numRuns: 400 },
  );
});

/** As many as ask, one after the other. */
function joinAll(world: World, count: number): readonly string[] {
  const invite = new ListedInvite(9, 100);
  return Array.from({ length: count }, (_, index) => {
    const asked = {
      name: `member-${index}` as MemberName,
      identityKey: identity(String.fromCharCode(97 + index)),
      keys: { acting: key(String.fromCharCode(65 + index)) },
    };
    const decision = world.decide(asked, invite);
    if (decision.kind === 'admit') {
      invite.uses.set(decision.inviteUse, {
        version: 1,
        member: asked.name,
        identityKey: asked.identityKey,
      });
      world.roll.put(decision.member);
    }
    return decision.kind === 'refuse' ? decision.code : decision.kind;
  });
}

test('a full subset says so, and takes one more when a place is free', () => {
  const world = new World();
  const results = joinAll(world, 20);
  // A /28 has 14 usable addresses, of which the master has the first.
  assert.deepEqual(results, [...Array(13).fill('admit'), ...Array(7).fill('subset-full')]);
});

test('every refusal says what to do', () => {
  const world = new World();
  const [single] = world.invites;
  world.run({ kind: 'join', invite: 0, request: request(0, 0, 0) });
  const say = (asked: AdmissionRequest, invite: InviteFacts | undefined) => {
    const decision = world.decide(asked, invite);
    return decision.kind === 'refuse' ? [decision.code, decision.message] : [decision.kind];
  };
  assert.match(String(say(request(1, 1, 1), undefined)), /token-used.*revoked.*ask for a new one/);
  assert.match(String(say(request(1, 1, 1), single)), /token-used.*1 of 1 times/);
  assert.match(
    String(say(request(1, 0, 1), world.invites[1])),
    /name-taken.*there is a member name-0.*another --name/,
  );
  assert.match(String(say(request(1, 1, 0), world.invites[1])), /key-taken.*make a new one/);
  assert.match(
    String(say(request(0, 1, 1), world.invites[1])),
    /key-taken.*already name-0.*hanse leave/,
  );
  world.nowMs = 100_000;
  assert.match(
    String(say(request(1, 1, 1), world.invites[1])),
    /token-expired.*1970-01-01T00:01:40/,
  );
});

test('no address is given out of a block that members could not prove, and whoever is refused is told what helps', () => {
  const world = new World();
  world.subset = { ...subset, ipv4Blocks: [...subset.ipv4Blocks, parsePrefix('100.64.1.0/28')] };
  assert.deepEqual(joinAll(world, 14), [...Array(13).fill('admit'), 'subset-full']);
  const asked = {
    name: 'late' as MemberName,
    identityKey: identity('Y'),
    keys: { acting: key('Y') },
  };
  const refused = world.decide(asked, new ListedInvite(8, 1));
  assert.ok(refused.kind === 'refuse');
  assert.match(refused.message, /certificates prove is taken: .*"hanse master renew"/);

  world.blocks = world.subset;
  const admitted = world.decide(asked, new ListedInvite(8, 1));
  assert.ok(admitted.kind === 'admit');
  assert.deepEqual([admitted.member.addressIndex, admitted.member.ipv4], [15, '100.64.1.1']);

  // Whoever leaves and comes back has its former place only while it can prove it.
  world.roll.put({ ...admitted.member, state: 'left', reusableAtMs: 0 });
  const again = () => world.decide(asked, new ListedInvite(8, 1));
  const returned = again();
  assert.ok(returned.kind === 'admit' && returned.member.addressIndex === 15);
  world.blocks = subset;
  assert.equal(again().kind, 'refuse');
});

test('an invite for one node admits no other, and is not used up by those who try', () => {
  const world = new World();
  const bound = new ListedInvite(9, 1);
  const own = request(0, 0, 0);
  const invite = { ...bound, invite: { ...bound.invite, identityKey: own.identityKey } };
  const refused = world.decide(request(1, 0, 1), invite);
  assert.ok(refused.kind === 'refuse' && refused.code === 'bad-token');
  assert.match(refused.message, /for another node/);
  assert.equal(world.decide(own, invite).kind, 'admit');
});

const home = parseSubsetName('home');
const claim = { home, use: 1, turn: 2, expiresAtMs: 5_000 };

/** What somebody is answered who was placed here by a two-use invite of which this use is known. */
function landed(
  changes: Partial<typeof claim & { readonly fullWith: number; readonly placedBy: SubsetName }>,
  known: Partial<InviteUseRecord> | undefined = undefined,
): string {
  const { fullWith, placedBy = home, ...claimed } = changes;
  const asked = request(0, 0, 0);
  const listed = new ListedInvite(1, 2);
  const use = { version: 1, member: asked.name, identityKey: asked.identityKey, ...known } as const;
  const invite = {
    invite: { ...listed.invite, placedBy },
    uses: new Map(known ? [[claim.use, use]] : []),
  };
  const decision = decideAdmission({
    ...{ nowMs: 1_000, subset, blocks: subset, roll: new ListedRoll(), inviteId: listed.invite.id },
    invite,
    ...{ request: asked, claim: { ...claim, ...claimed }, fullWith, certificateEndsAtMs: 2_000 },
  });
  return decision.kind === 'admit' ? `use ${decision.inviteUse}` : String(Object(decision).code);
}

test('a name is an operator’s where the invite says it, and of one that moves a node where it was so before', () => {
  const isNamed = (changes: Partial<InviteRecord>): true | undefined => {
    const asked = request(0, 0, 0);
    const listed = new ListedInvite(1, 2);
    const facts = { nowMs: 1_000, subset, blocks: subset, roll: new ListedRoll() };
    const decision = decideAdmission({
      ...{ ...facts, inviteId: listed.invite.id, request: asked, certificateEndsAtMs: 2_000 },
      invite: { invite: { ...listed.invite, ...changes }, uses: new Map() },
    });
    assert.equal(decision.kind, 'admit');
    return decision.kind === 'admit' ? decision.member.isNamedByInvite : undefined;
  };
  const { name: memberName, identityKey } = request(0, 0, 0);
  assert.equal(isNamed({}), undefined);
  assert.equal(isNamed({ memberName }), true);
  assert.equal(isNamed({ memberName, identityKey }), undefined);
  assert.equal(isNamed({ memberName, identityKey, isNamedByInvite: true }), true);
  assert.equal(isNamed({ identityKey, isNamedByInvite: true }), undefined, 'it names nobody');
});

test('who was placed takes the use that it was given, and no other', () => {
  assert.equal(landed({}), 'use 1');
  assert.equal(landed({ use: 0 }), 'use 0');
  assert.equal(landed({ use: 2 }), 'claim-refused');
  assert.equal(landed({ expiresAtMs: 1_000 }), 'claim-expired');
  assert.equal(landed({ placedBy: parseSubsetName('other') }), 'claim-refused');
  assert.equal(landed({ fullWith: 7 }), 'master-full');
});

test('a use that is known admits only who has given a place up by it, by a later claim', () => {
  assert.equal(landed({}, {}), 'token-used');
  assert.equal(landed({}, { releasedTurn: 1 }), 'use 1');
  assert.equal(landed({}, { releasedTurn: 2 }), 'claim-refused');
  assert.equal(landed({}, { releasedTurn: 1, identityKey: identity('z') }), 'token-used');
});

test('an invite that placement decides admits nobody without a claim, and no other invite with one', () => {
  const asked = request(0, 0, 0);
  const listed = new ListedInvite(1, 2);
  const facts = { nowMs: 1_000, subset, roll: new ListedRoll(), inviteId: listed.invite.id };
  const rest = { ...facts, blocks: subset, request: asked, certificateEndsAtMs: 2_000 };
  const placed = { ...listed, invite: { ...listed.invite, placedBy: home } };
  const decisions = [
    decideAdmission({ ...rest, invite: placed }),
    decideAdmission({ ...rest, invite: listed, claim }),
  ];
  for (const decision of decisions) {
    assert.equal(decision.kind === 'refuse' && decision.code, 'claim-refused');
  }
});
