import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilSession } from '../support/lab/member-session.ts';
import { ThreeMasters } from '../support/lab/three-masters.ts';

const stopTimeoutMs = 60_000;

test('all masters are restarted one after the other as for an upgrade: no packet is lost, and all subsets are at home in the end', async () => {
  await using bed = await ThreeMasters.start({ settle: '5s' });
  await bed.untilPathsSettle();
  const traffic = await bed.startTraffic();
  for (const master of bed.vpn.masters) {
    assert.equal(await master.process.stop(stopTimeoutMs), 0, await master.process.output());
    await master.startAsBackup();
  }
  for (const { name, subset } of bed.vpn.masters) await bed.untilActing(name, subset);
  assert.deepEqual(await traffic.lostUntilCalm(), []);
  for (const { subset } of bed.vpn.masters) {
    const changes = (await bed.failovers(subset)).map(({ change }) => change);
    assert.ok(!changes.includes('took-over'), `${subset} was never without a master: ${changes}`);
    assert.ok(changes.includes('handed-over'), changes.join());
  }
  for (const member of [bed.web, bed.db, bed.camera]) await untilSession(member, 'live');
  await bed.vpn.join('late-1', 'baltic');
});
