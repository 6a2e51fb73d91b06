import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { invite } from '../../test/support/invite.ts';
import { MasterBed } from '../../test/support/master-bed.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { SessionNode } from '../../test/support/session-client.ts';
import { parseMemberName, parseSubsetName } from '../model/names.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';

let bed: MasterBed;
let elbe: RunningMaster;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], berlin: ['elbe'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
});
after(async () => {
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

async function joined(name: string, subset: string): Promise<SessionNode> {
  const node = new SessionNode(name);
  const { token } = await invite(bed, subset);
  const { session } = await node.join(elbe.endpoint, token);
  await session[Symbol.asyncDispose]();
  return node;
}

/** What a newcomer to Berlin hears that says another one's WireGuard key is its own. */
async function refusalOfClaim(key: WireguardPublicKey): Promise<string> {
  const { id, token } = await invite(bed, 'berlin');
  await using session = await new SessionNode('mallory').connect(elbe.endpoint);
  const name = parseMemberName('mallory');
  session.send({ type: 'join', token, name, keys: { acting: key } });
  const refused = await session.expect('refused');
  assert.equal(elbe.subset('berlin').state.roll.findInvite(id)?.uses.size, 0, 'no use is lost');
  assert.equal(elbe.subset('berlin').state.roll.findByName(name), undefined);
  return refused.code;
}

test('a WireGuard key of another member is refused, whichever of the master’s subsets that is in', async () => {
  for (const subset of ['berlin', 'hamburg']) {
    const victim = await joined('anna', subset);
    const before = await elbe.refused('key-taken');
    assert.equal(await refusalOfClaim(victim.wireguardKey), 'key-taken', subset);
    assert.equal(await elbe.refused('key-taken'), before + 1);
    const peers = elbe.host.memberPeers.filter(
      ({ publicKey }) => publicKey === victim.wireguardKey,
    );
    assert.equal(peers.length, 1);
  }
});

test('the master’s own WireGuard keys are refused', async () => {
  const { members, backbone } = elbe.identity.wireguard;
  for (const { publicKey } of [members, backbone])
    assert.equal(await refusalOfClaim(publicKey), 'key-taken');
});

test('a node in two subsets of one master is a member in each, and both rolls say so', async () => {
  const node = await joined('shared', 'hamburg');
  const second = new SessionNode('shared', node);
  const { token } = await invite(bed, 'berlin');
  const { session } = await second.join(elbe.endpoint, token);
  await using _ = session;
  const name = parseMemberName('shared');
  const there = elbe.subset('berlin').state.roll.findActive(name);
  assert.deepEqual(there?.alsoIn, [parseSubsetName('hamburg')]);
  const keys = elbe.host.memberPeers.map(({ publicKey }) => publicKey);
  assert.ok(keys.includes(node.wireguardKey) && keys.includes(second.wireguardKey));
});
