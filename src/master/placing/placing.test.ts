import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formerAuthority } from '../../../test/support/forger.ts';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed, operatorName } from '../../../test/support/master-bed.ts';
import { placedInvite } from '../../../test/support/placed-invite.ts';
import { PlacingNode } from '../../../test/support/placing-node.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { until } from '../../../test/support/until.ts';
import { listInvites, revokeInvite } from '../../api/invite-endpoints.ts';
import { getPlacementPolicy, setPlacementPolicy } from '../../api/placement-endpoints.ts';
import { SystemGraph } from '../../core/placement/system-graph.ts';
import { parseMemberName, parseSubsetName, type SubsetName } from '../../model/names.ts';
import { encodeRecord } from '../../model/records/codec.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import { placementPolicyKey } from '../../store/keys.ts';
import { identityKeyOf } from '../../trust/leaf-certificate.ts';
import { createPlacementClaim, type PlacementClaim } from '../../trust/placement-claim.ts';
import { PlaceLookup } from '../place/place-lookup.ts';
import { AsPaths } from './as-paths.ts';

const subsets = ['hamburg', 'berlin', 'luebeck'] as const;
const [hamburg, berlin, luebeck] = subsets.map(parseSubsetName) as [
  SubsetName,
  SubsetName,
  SubsetName,
];
const actor = `operator:${operatorName}`;
/** Nearest to spree, then trave, then elbe. */
const latencies = { elbe: 30, spree: 5, trave: 10 };

let bed: MasterBed;
let elbe: RunningMaster;
let spree: RunningMaster;
let trave: RunningMaster;
before(async () => {
  bed = await MasterBed.create({
    subsets: { hamburg: ['elbe'], berlin: ['spree'], luebeck: ['trave'] },
  });
  elbe = await startHome();
  spree = await RunningMaster.start(bed, 'spree');
  trave = await RunningMaster.start(bed, 'trave');
});
after(async () => {
  for (const master of [elbe, spree, trave]) await master[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

/**
 * It knows where addresses are: those of loopback are in Iceland, and of system 64500, which is one
 * link from 64501 and two from 64503.
 */
async function startHome(): Promise<RunningMaster> {
  const [places, systems] = ['places', 'systems'].map((name) =>
    fileURLToPath(new URL(`../../../test/testdata/mmdb/${name}.mmdb`, import.meta.url)),
  );
  const links = [
    { one: 64_501, other: 64_500, relation: 'provider' },
    { one: 64_501, other: 64_503, relation: 'provider' },
  ] as const;
  return RunningMaster.start(bed, 'elbe', {
    places: await PlaceLookup.open({ places, systems }),
    asPaths: new AsPaths(new SystemGraph(links)),
  });
}

const masterOf = (subset: SubsetName): RunningMaster =>
  new Map([
    [hamburg, elbe],
    [berlin, spree],
    [luebeck, trave],
  ]).get(subset) ?? elbe;

/** The invite's home, which is hamburg's master. */
const home = () => elbe.endpoint;

async function setPolicy(text: string): Promise<void> {
  const operator = await bed.operator();
  const { revision: ifRevision } = await operator.call(getPlacementPolicy, {});
  await operator.call(setPlacementPolicy, { query: { ifRevision }, body: { text } });
  await until('masters have the policy', () =>
    [elbe, spree, trave].every(
      ({ master }) => (master.directory.storedPolicy?.revision ?? 0) > ifRevision,
    ),
  );
}

const usedOf = async (id: string): Promise<number | undefined> => {
  const operator = await bed.operator();
  const { invites } = await operator.call(listInvites, { params: { subset: hamburg } });
  return invites.find((invite) => invite.id === id)?.used;
};

function identityOf({ keyPair }: PlacingNode): IdentityKey {
  return identityKeyOf(keyPair.publicKey.export({ type: 'spki', format: 'der' }));
}

/** What home would sign, were it not for the change. */
async function signed(
  id: string,
  node: PlacingNode,
  change: Partial<PlacementClaim> = {},
  issuer = elbe.subset('hamburg').authorities.issuer,
) {
  const claim = {
    ...{ home: hamburg, subset: berlin, inviteId: id, use: 0, turn: 1 },
    ...{ identityKey: identityOf(node), expiresAtMs: Date.now() + 60_000 },
  };
  return createPlacementClaim({ ...claim, ...change }, issuer);
}

const codeOf = (answer: { readonly type: string; readonly code?: string }) =>
  answer.type === 'refused' ? answer.code : answer.type;

test('a newcomer is placed with the nearest master, and joins there with the claim alone', async () => {
  const { id, token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('anna');
  const placed = await node.place(home(), { token, latencies });
  assert.deepEqual([placed.subset, placed.master, placed.score], ['berlin', 'spree', 5]);
  assert.deepEqual(placed.next, { subset: 'luebeck', master: 'trave', score: 10 });
  assert.deepEqual(placed.control, [{ master: 'spree', endpoint: spree.endpoint }]);
  assert.equal(await usedOf(id), 1, 'counted when the claim is given');
  const admitted = await node.land(spree.endpoint, placed.claim);
  assert.equal(admitted.type === 'admitted' && admitted.place.subset, 'berlin');
});

test('whom to measure are the masters that act for candidates', async () => {
  const { token } = await placedInvite(bed, ['hamburg', 'luebeck']);
  await using session = await new PlacingNode('asks').connect(home());
  session.send({ type: 'find-place', token });
  const { masters } = await session.expect('candidates');
  assert.deepEqual(masters.map(({ name }) => name).toSorted(), ['elbe', 'trave']);
});

test('a newcomer that has its answer and says no more is not waited for', async () => {
  const { token } = await placedInvite(bed, subsets);
  await using session = await new PlacingNode('idle').connect(home());
  session.send({ type: 'find-place', token });
  await session.expect('candidates');
  elbe.clock.jump(10_000);
  assert.equal((await session.expect('refused')).code, 'bad-message');
});

test('who asks again has the same place by the same use, and is the same member there', async () => {
  const { id, token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('again');
  const first = await node.place(home(), { token, latencies });
  await node.land(spree.endpoint, first.claim);
  const second = await node.place(home(), { token, latencies: { trave: 1 } });
  assert.deepEqual([second.subset, await usedOf(id)], ['berlin', 1]);
  assert.equal((await node.land(spree.endpoint, second.claim)).type, 'admitted');
  assert.equal((await node.land(spree.endpoint, first.claim)).type, 'admitted');
});

test('two connections of one node at once take one use', async () => {
  const { id, token } = await placedInvite(bed, subsets, { uses: 5 });
  const node = new PlacingNode('hasty');
  const asked = Array.from({ length: 4 }, () => node.place(home(), { token, latencies }));
  const places = await Promise.all(asked);
  assert.deepEqual(new Set(places.map(({ subset }) => subset)), new Set(['berlin']));
  assert.equal(await usedOf(id), 1);
});

test('an invite gives as many places as it has uses', async () => {
  const { id, token } = await placedInvite(bed, subsets, { uses: 2 });
  const nodes = Array.from({ length: 5 }, (_, index) => new PlacingNode(`many-${index}`));
  const answers = await Promise.all(
    nodes.map((node) => node.askPlace(home(), { token, latencies })),
  );
  assert.deepEqual(answers.map(codeOf).toSorted(), [
    ...['placed', 'placed'],
    ...['token-used', 'token-used', 'token-used'],
  ]);
  assert.equal(await usedOf(id), 2);
});

test('a place that is declined is worth nothing any more, and the next best is given by the same use', async () => {
  const { id, token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('choosy');
  const first = await node.place(home(), { token, latencies });
  const second = await node.place(home(), { token, latencies, declined: ['berlin'] });
  assert.deepEqual([second.subset, await usedOf(id)], ['luebeck', 1]);
  assert.equal(codeOf(await node.land(spree.endpoint, first.claim)), 'claim-refused');
  assert.equal(codeOf(await node.land(trave.endpoint, second.claim)), 'admitted');
});

test('a place that was given up can be had again, by a later claim', async () => {
  const { token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('wavering');
  const first = await node.place(home(), { token, latencies });
  await node.place(home(), { token, latencies, declined: ['berlin'] });
  const third = await node.place(home(), { token, latencies, declined: ['luebeck'] });
  assert.equal(third.subset, 'berlin');
  assert.equal(codeOf(await node.land(spree.endpoint, first.claim)), 'claim-refused');
  assert.equal(codeOf(await node.land(spree.endpoint, third.claim)), 'admitted');
});

test('who has joined gets no second place by the same use, whatever it declines', async () => {
  const { id, token } = await placedInvite(bed, subsets, { uses: 3 });
  const node = new PlacingNode('greedy');
  const first = await node.place(home(), { token, latencies });
  await node.land(spree.endpoint, first.claim);
  const second = await node.place(home(), { token, latencies, declined: ['berlin'] });
  assert.deepEqual([second.subset, await usedOf(id)], ['berlin', 1]);
  await spree.subset('berlin').departures.remove(parseMemberName('greedy'), 'evicted', actor);
  const third = await node.place(home(), { token, latencies, declined: ['berlin'] });
  assert.equal(third.subset, 'berlin', 'nor does one that was put out');
  assert.equal(codeOf(await node.land(spree.endpoint, third.claim)), 'token-used');
});

test('while a subset does not answer, another place costs another use', async () => {
  const { id, token } = await placedInvite(bed, subsets, { uses: 2 });
  const single = await placedInvite(bed, subsets);
  const [node, other] = [new PlacingNode('cautious'), new PlacingNode('poor')];
  await node.place(home(), { token, latencies });
  await other.place(home(), { token: single.token, latencies });
  await spree[Symbol.asyncDispose]();
  try {
    const declining = { latencies, declined: ['berlin'] };
    const second = await node.place(home(), { token, ...declining });
    assert.deepEqual([second.subset, await usedOf(id)], ['luebeck', 2]);
    const refused = await other.askPlace(home(), { token: single.token, ...declining });
    assert.equal(codeOf(refused), 'unavailable');
    assert.match(refused.type === 'refused' ? refused.message : '', /berlin does not answer/);
  } finally {
    spree = await RunningMaster.start(bed, 'spree');
  }
  const later = { token: single.token, latencies, declined: ['berlin'] };
  const third = await until('berlin answers', async () => {
    const answer = await other.askPlace(home(), later);
    return answer.type === 'placed' && answer;
  });
  assert.deepEqual([third.subset, await usedOf(single.id)], ['luebeck', 1]);
});

test('a master that is full by the policy refuses who is placed there, and not who is invited there', async () => {
  const { token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('late');
  const placed = await node.place(home(), { token, latencies });
  await setPolicy('capacities: { spree: 1 }');
  const answer = await node.land(spree.endpoint, placed.claim);
  assert.equal(codeOf(answer), 'master-full');
  assert.match(answer.type === 'refused' ? answer.message : '', /full with 1 member/);
  const named = await invite(bed, 'berlin');
  await using session = (await new PlacingNode('named').join(spree.endpoint, named.token)).session;
  assert.equal(session.closed, undefined);
  await setPolicy('');
});

test('who has no place is told what excludes each candidate, and no use is counted', async () => {
  await setPolicy(
    [
      'criteria: { latencyMs: { atMost: 20 } }',
      'jurisdictions: { unknown: allow, rules: [{ within: [DE] }] }',
      'places: { masters: { spree: { jurisdiction: US } }, directory: DE }',
    ].join('\n'),
  );
  const { id, token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('nowhere');
  const answer = await node.askPlace(home(), { token, latencies: { elbe: 30, spree: 5 } });
  assert.equal(codeOf(answer), 'no-place');
  const text = answer.type === 'refused' ? answer.message : '';
  assert.match(text, /elbe \(hamburg\): its latencyMs is 30, and at most 20 is allowed/);
  assert.match(text, /spree \(berlin\): .*must stay within DE, and master spree is in US/);
  assert.match(text, /trave \(luebeck\): it answers no probe/);
  assert.equal(await usedOf(id), 0);
  await setPolicy('');
});

test('the law for a newcomer is that of the place of its address, whatever it is called', async () => {
  await setPolicy(
    [
      'jurisdictions: { rules: [{ members: [IS], within: [SE] }, { members: [DE], within: [DE] }] }',
      'places:',
      '  masters: { elbe: { jurisdiction: DE }, spree: { jurisdiction: US }, trave: { jurisdiction: SE } }',
      '  members: { printer: { jurisdiction: DE } }',
      '  directory: SE',
    ].join('\n'),
  );
  const { token } = await placedInvite(bed, subsets);
  const placed = await new PlacingNode('printer').place(home(), { token, latencies });
  assert.equal(placed.subset, 'luebeck');
  await setPolicy('');
});

test('a newcomer’s system is that of its address, and its paths are as long as the master’s file says', async () => {
  await setPolicy(
    [
      'criteria: { latencyMs: { weight: 0 }, asPathLength: { weight: 10, assume: 20 } }',
      'places:',
      '  masters: { elbe: { system: 64501 }, spree: { system: 64502 }, trave: { system: 64503 } }',
      '  members: { printer: { system: 64503 } }',
    ].join('\n'),
  );
  const { token } = await placedInvite(bed, subsets, { uses: 2 });
  const placed = await new PlacingNode('printer').place(home(), { token, latencies });
  assert.deepEqual([placed.subset, placed.score], ['hamburg', 10]);
  assert.deepEqual(placed.next, { subset: 'luebeck', master: 'trave', score: 20 });
  const without = { spree: 5, trave: 10 };
  const limited = await new PlacingNode('far').place(home(), { token, latencies: without });
  assert.deepEqual([limited.subset, limited.next?.score], ['luebeck', 200]);
  await setPolicy('');
});

test('what the policy has for a name is not for whoever claims to have it', async () => {
  await setPolicy('pins: { printer: { subset: luebeck } }');
  const { token } = await placedInvite(bed, subsets);
  const placed = await new PlacingNode('printer').place(home(), { token, latencies });
  assert.equal(placed.subset, 'berlin');
  await setPolicy('');
});

test('masters that cannot read the policy place nobody, and let in nobody who was placed', async () => {
  const { id, token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('patient');
  const placed = await node.place(home(), { token, latencies });
  const record = {
    ...{ version: 1, text: 'ofALaterVersion: 1' },
    ...{ changedAtMs: 1, changedBy: actor },
  };
  await bed.store.transact({
    if: [],
    then: [{ put: placementPolicyKey, value: encodeRecord(record) }],
  });
  for (const master of [elbe, spree]) await master[Symbol.asyncDispose]();
  elbe = await startHome();
  spree = await RunningMaster.start(bed, 'spree');
  const late = await node.land(spree.endpoint, placed.claim);
  assert.deepEqual(
    [codeOf(late), late.type === 'refused' && late.retryable],
    ['unavailable', true],
  );
  const other = await placedInvite(bed, subsets);
  const refused = await new PlacingNode('hopeful').askPlace(home(), { ...other, latencies });
  assert.equal(codeOf(refused), 'unavailable');
  assert.match(refused.type === 'refused' ? refused.message : '', /cannot read the placement pol/);
  await setPolicy('');
  assert.equal(codeOf(await node.land(spree.endpoint, placed.claim)), 'admitted');
  assert.equal(await usedOf(id), 1);
});

test('claims that are not good are refused, each for its reason', async () => {
  const { id } = await placedInvite(bed, subsets);
  const foreign = await placedInvite(bed, ['hamburg', 'luebeck']);
  const [node, thief] = [new PlacingNode('honest'), new PlacingNode('thief')];
  const otherId = '00000000-0000-4000-8000-000000000000';
  const cases: readonly (readonly [string, string, string])[] = [
    ['another node’s', await signed(id, thief), 'claim-refused'],
    ['of no invite', await signed(otherId, node), 'token-used'],
    ['of an invite that does not lead there', await signed(foreign.id, node), 'token-used'],
    ['for a use too many', await signed(id, node, { use: 1 }), 'claim-refused'],
    ['too late', await signed(id, node, { expiresAtMs: Date.now() - 2_000 }), 'claim-expired'],
    ['no claim', 'hanse-claim_x.y.z', 'claim-refused'],
  ];
  for (const [what, claim, code] of cases) {
    assert.equal(codeOf(await node.land(spree.endpoint, claim)), code, what);
  }
  const good = await signed(id, node);
  assert.equal(codeOf(await node.land(trave.endpoint, good)), 'wrong-master');
  assert.equal(codeOf(await thief.land(spree.endpoint, good)), 'claim-refused');
  assert.equal(codeOf(await node.land(spree.endpoint, good)), 'admitted');
  assert.equal(codeOf(await thief.land(spree.endpoint, await signed(id, thief))), 'token-used');
});

test('another subset than the home one cannot place anybody by the invite', async () => {
  const { id } = await placedInvite(bed, subsets);
  const node = new PlacingNode('bribed');
  const { issuer } = trave.subset('luebeck').authorities;
  const claim = await createPlacementClaim(
    {
      ...{ home: luebeck, subset: berlin, inviteId: id, use: 0, turn: 1 },
      ...{ identityKey: identityOf(node), expiresAtMs: Date.now() + 60_000 },
    },
    issuer,
  );
  assert.equal(codeOf(await node.land(spree.endpoint, claim)), 'claim-refused');
});

test('a master that serves the home subset no more can place nobody by its old authority', async () => {
  const { id } = await placedInvite(bed, subsets);
  const node = new PlacingNode('nostalgic');
  const claim = await signed(id, node, {}, await formerAuthority(bed, 'hamburg', 'trave'));
  const answer = await node.land(spree.endpoint, claim);
  assert.equal(codeOf(answer), 'claim-refused');
  assert.match(answer.type === 'refused' ? answer.message : '', /trave, which does not serve/);
});

test('a token for several subsets admits nobody by itself, and one for a single subset places nobody', async () => {
  const { token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('direct');
  await using session = await node.askToJoin(home(), token);
  assert.equal((await session.expect('refused')).code, 'bad-token');
  const single = await invite(bed, 'hamburg');
  const answer = await node.askPlace(home(), { token: single.token, latencies });
  assert.equal(codeOf(answer), 'bad-token');
});

test('a revoked invite places nobody, and a claim of before is worth nothing where it is revoked', async () => {
  const { id, token } = await placedInvite(bed, subsets, { uses: 2 });
  const [node, other] = [new PlacingNode('early'), new PlacingNode('later')];
  const { subset, claim } = await node.place(home(), { token, latencies });
  const operator = await bed.operator();
  for (const name of subsets) {
    await operator.call(revokeInvite, { params: { subset: parseSubsetName(name), id } });
  }
  assert.equal(codeOf(await other.askPlace(home(), { token, latencies })), 'token-used');
  assert.equal(codeOf(await node.land(masterOf(subset).endpoint, claim)), 'token-used');
});

test('who is banned at home is given no place', async () => {
  const { token } = await placedInvite(bed, subsets, { uses: 2 });
  const node = new PlacingNode('banned');
  const { claim } = await node.place(home(), { token, latencies: { elbe: 1 } });
  assert.equal(codeOf(await node.land(elbe.endpoint, claim)), 'admitted');
  await elbe.subset('hamburg').departures.remove(parseMemberName('banned'), 'banned', actor);
  const again = await placedInvite(bed, subsets);
  const answer = await node.askPlace(home(), { token: again.token, latencies });
  assert.equal(codeOf(answer), 'banned');
});

test('a place outlives its home master', async () => {
  const { id, token } = await placedInvite(bed, subsets);
  const node = new PlacingNode('patient');
  const first = await node.place(home(), { token, latencies });
  await elbe[Symbol.asyncDispose]();
  elbe = await startHome();
  const second = await node.place(home(), { token, latencies: { trave: 1 } });
  assert.deepEqual([second.subset, await usedOf(id)], [first.subset, 1]);
});
