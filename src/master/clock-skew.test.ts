import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { invite } from '../../test/support/invite.ts';
import { MasterBed } from '../../test/support/master-bed.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { SessionNode } from '../../test/support/session-client.ts';
import { until } from '../../test/support/until.ts';
import { parseMemberName, parseSubsetName } from '../model/names.ts';
import { leaseKey } from '../store/keys.ts';

const minuteMs = 60_000;
const hamburg = parseSubsetName('hamburg');
let bed: MasterBed;
let home: RunningMaster;
let backup: RunningMaster;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe', 'trave'] } });
  home = await RunningMaster.start(bed, 'elbe');
  backup = await RunningMaster.start(bed, 'trave');
});
after(async () => {
  for (const running of [backup, home, bed]) await running?.[Symbol.asyncDispose]();
});
afterEach(() => {
  for (const { clock } of [home, backup]) clock.jump(Date.now() - clock.nowMs());
});

for (const [member, what, homeMs, backupMs] of [
  ['anna', 'the acting master is four minutes ahead', 4 * minuteMs, 0],
  ['ben', 'the acting master is four minutes behind', -4 * minuteMs, 0],
  ['carl', 'the backup is four minutes ahead', 0, 4 * minuteMs],
  ['dora', 'the backup is four minutes behind', 0, -4 * minuteMs],
] as const) {
  test(`members join, change masters and renew where ${what}, and the lease stays where it is`, async () => {
    const before = await bed.store.get(leaseKey(hamburg));
    home.clock.jump(homeMs);
    backup.clock.jump(backupMs);
    const node = new SessionNode(member);
    const { token } = await invite(bed, 'hamburg');
    const { session } = await node.join(home.endpoint, token);
    await session[Symbol.asyncDispose]();
    const { roll } = backup.master.subsets.requireServed(hamburg);
    await until('the backup knows it', () => roll.findByName(parseMemberName(member)));

    await using elsewhere = await node.resume(backup.endpoint);
    await elsewhere.expect('view');
    elsewhere.send({ type: 'renew' });
    node.chain = (await elsewhere.expect('renewed')).chain;
    await using back = await node.resume(home.endpoint);
    await back.expect('view');
    const now = await bed.store.get(leaseKey(hamburg));
    assert.equal(now?.modRevision, before?.modRevision);
  });
}
