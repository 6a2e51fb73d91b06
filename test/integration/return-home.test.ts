import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MasterStatus } from '../../src/api/status-endpoints.ts';
import { ThreeMasters } from '../support/lab/three-masters.ts';

const settleMs = 5_000;

test('a master that was killed comes back without grabbing its subset, gets it when it has settled, and no packet is lost', async () => {
  await using bed = await ThreeMasters.start({ settle: `${settleMs}ms` });
  const lubeck = bed.vpn.master('lubeck');
  await lubeck.kill();
  await bed.untilActing('bergen', 'baltic');
  const traffic = await bed.startTraffic();
  await lubeck.startAsBackup();
  const { startedAtMs } = await statusOf(bed, 'lubeck');
  await bed.untilActing('lubeck', 'baltic');
  for (const member of [bed.web, bed.db]) await bed.untilUsing('lubeck', member);
  assert.deepEqual(await traffic.lostUntilCalm(), []);
  await assertCameHome(bed, startedAtMs);
  await bed.vpn.join('late-1', 'baltic');
});

async function assertCameHome(bed: ThreeMasters, startedAtMs: number): Promise<void> {
  const failovers = await bed.failovers('baltic');
  assert.deepEqual(
    failovers.map(({ change, from, to }) => ({ change, from, to })),
    [
      { change: 'started', from: undefined, to: 'lubeck' },
      { change: 'took-over', from: 'lubeck', to: 'bergen' },
      { change: 'returned', from: 'bergen', to: 'lubeck' },
    ],
  );
  const waitedMs = (failovers[2]?.takenAtMs ?? 0) - startedAtMs;
  assert.ok(waitedMs >= settleMs, `it had its subset after ${waitedMs} ms`);
}

async function statusOf(bed: ThreeMasters, master: string): Promise<MasterStatus> {
  const answer = await bed.hanseJson(['status', '--master', master]);
  const { masters } = answer as { masters: { status?: MasterStatus }[] };
  const status = masters[0]?.status;
  if (status) return status;
  throw new Error(`${master} said nothing: ${JSON.stringify(answer)}`);
}
