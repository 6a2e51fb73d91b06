import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { invite } from '../../../test/support/invite.ts';
import { MasterBed } from '../../../test/support/master-bed.ts';
import { startMemberProcess } from '../../../test/support/member-process.ts';
import { RunningMaster } from '../../../test/support/running-master.ts';
import { memberDirectory } from '../../../test/support/running-member.ts';
import { until } from '../../../test/support/until.ts';
import { createInvite } from '../../api/invite-endpoints.ts';
import { getMember, type MemberView } from '../../api/member-endpoints.ts';
import { orderMove } from '../../api/move-endpoints.ts';
import { parseMemberName } from '../../model/names.ts';

/** When to kill, which is the thing under test: from before the order is read to after the move is reported. */
const killDelaysMs = [0, 10, 40, 80, 160, 400];
const slowMs = 40_000;

let bed: MasterBed;
let elbe: RunningMaster;
let weser: RunningMaster;
before(async () => {
  bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], bremen: ['weser'] } });
  elbe = await RunningMaster.start(bed, 'elbe');
  weser = await RunningMaster.start(bed, 'weser');
});
after(async () => {
  await weser[Symbol.asyncDispose]();
  await elbe[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

async function show(name: string, subset: string): Promise<MemberView | undefined> {
  const operator = await bed.operator();
  return operator.call(getMember, { params: { subset, name } }).catch(() => undefined);
}

async function order(name: string, graceMs: number): Promise<void> {
  const operator = await bed.operator();
  const { identityKey } = (await show(name, 'hamburg')) ?? assert.fail();
  const body = { memberName: parseMemberName(name), identityKey };
  const { token } = await operator.call(createInvite, { params: { subset: 'bremen' }, body });
  const params = { subset: 'hamburg', name };
  await operator.call(orderMove, { params, body: { token, graceMs } });
}

for (const [index, delayMs] of killDelaysMs.entries()) {
  test(`a member killed ${delayMs} ms after its order moves, keeps its key, and leaves in time`, async () => {
    const name = `anna-${index}`;
    await using directory = await memberDirectory();
    const { token } = await invite(bed, 'hamburg', { memberName: name });
    const killed = startMemberProcess(directory.path, token);
    const { identityKey } = await until(
      'it is connected',
      async () => {
        const member = await show(name, 'hamburg');
        return member?.session && member;
      },
      slowMs,
    );
    await order(name, 1_500);
    await delay(delayMs);
    await killed.kill();
    const again = startMemberProcess(directory.path);
    const hasLeft = async () => (await show(name, 'hamburg'))?.state === 'left';
    await until('it has left', hasLeft, slowMs).finally(() => again.kill());
    const [old, now] = [await show(name, 'hamburg'), await show(name, 'bremen')];
    assert.deepEqual([old?.movedTo?.subset, now?.state], ['bremen', 'active']);
    assert.equal(now?.identityKey, identityKey);
  });
}
