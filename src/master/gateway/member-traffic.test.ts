import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { joinedNode } from '../../../test/support/joined-node.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { getMember, listMembers, type MemberView } from '../../api/member-endpoints.ts';
import type { PeerObservation } from '../../host/host.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import { MemberTraffic } from './member-traffic.ts';

const hamburg = parseSubsetName('hamburg');
let bed: MasterBed;
let elbe: RunningMaster;
let members: readonly MemberRecord[];
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  await joinedNode('anna', { bed, master: elbe });
  await joinedNode('berta', { bed, master: elbe });
  members = [...elbe.subset('hamburg').state.roll.activeMembers()];
});
after(async () => {
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

const peerOf = ({ keys }: MemberRecord, receivedBytes: number, sentBytes = 0): PeerObservation => ({
  ...{ interfaceName: 'hns', publicKey: keys.acting, receivedBytes, sentBytes },
});

test('each member’s bytes are counted both ways, through a tunnel that is made anew', () => {
  const clock = new ManualClock();
  let acting = [{ subset: hamburg, members }];
  const traffic = new MemberTraffic({ acting: () => acting, clock });
  const [anna, berta] = members;
  assert.ok(anna && berta);
  assert.equal(traffic.of(anna), undefined);
  traffic.note([peerOf(anna, 900, 100)]);
  clock.advance(60_000);
  traffic.note([peerOf(anna, 1_400, 200), peerOf(berta, 7)]);
  assert.deepEqual(traffic.of(anna), { bytes: 600, overMs: 60_000 });
  assert.deepEqual(traffic.of(berta), { bytes: 0, overMs: 0 });
  clock.advance(60_000);
  traffic.note([]);
  traffic.note([peerOf(anna, 50, 20)]);
  assert.deepEqual(traffic.of(anna), { bytes: 670, overMs: 120_000 });
  acting = [];
  traffic.note([peerOf(anna, 60, 20)]);
  assert.equal(traffic.of(anna), undefined, 'it acts for nobody any more');
  acting = [{ subset: hamburg, members: [berta] }];
  traffic.note([peerOf(anna, 60, 20), peerOf(berta, 9)]);
  assert.equal(traffic.of(anna), undefined, 'it is no member any more');
  assert.deepEqual(traffic.of(berta), { bytes: 0, overMs: 0 });
});

test('what was counted is in a member’s details and in the list', async () => {
  const operator = await bed.operator();
  const params = { subset: hamburg, name: parseMemberName('anna') };
  const shown = (): Promise<MemberView> => operator.call(getMember, { params });
  assert.equal((await shown()).traffic?.bytes, 0);
  elbe.host.bytesOfPeer = 5_000;
  assert.equal((await shown()).traffic?.bytes, 4_997);
  const { members: listed } = await operator.call(listMembers, { params: { subset: hamburg } });
  assert.deepEqual(
    listed.map(({ name, traffic }) => [name, traffic?.bytes]),
    [
      ['anna', 4_997],
      ['berta', 4_997],
    ],
  );
});
