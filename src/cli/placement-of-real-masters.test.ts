import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { joinedNode } from '../../test/support/joined-node.ts';
import { MasterBed, operatorName } from '../../test/support/master-bed.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { until } from '../../test/support/until.ts';
import { masterMeasurementSchema } from '../api/measuring-messages.ts';
import { getMember } from '../api/member-endpoints.ts';

const to = (name: string, latencyMs: number) =>
  masterMeasurementSchema.parse({
    ...{ name, stun: 'answers', sent: 8, lost: 0, latencyMs, jitterMs: 0.5 },
  });

test('what members report to real masters is what is planned with', async () => {
  await using bed = await MasterBed.create({
    subsets: { hamburg: ['elbe'], bremen: ['weser', 'elbe'] },
  });
  await using elbe = await RunningMaster.start(bed, 'elbe');
  await using _weser = await RunningMaster.start(bed, 'weser');
  const node = await joinedNode('web-1', { bed, master: elbe });
  await joinedNode('absent', { bed, master: elbe });
  await using client = await node.connect(elbe.endpoint);
  client.send({ type: 'hello', appliedRevision: 0, appliedEpoch: 0, measures: true });
  await client.expect('view');
  await client.expect('candidates');
  client.send({ type: 'measurements', masters: [to('elbe', 90), to('weser', 9)] });
  const operator = await bed.operator();
  const params = { subset: 'hamburg', name: 'web-1' };
  await until('the report is there', async () => {
    const { measured } = await operator.call(getMember, { params });
    return measured?.report;
  });
  const policy = join(bed.directory.path, 'policy.yaml');
  await writeFile(policy, 'capacities: { weser: 1 }\n');
  const ask = async (command: string, ...args: readonly string[]) => {
    const run = await runHanse(['placement', command, ...args, '--json'], {
      env: { HANSE_DIR: bed.directory.path, HANSE_PROFILE: bed.directory.operator(operatorName) },
    });
    assert.equal(run.exitCode, 0, run.err);
    return JSON.parse(run.out);
  };
  await ask('policy', 'set', policy);
  const { reason, chosen, secondBest, backups } = await ask('explain', 'web-1');
  assert.deepEqual([reason, chosen.subset, chosen.score], ['better', 'bremen', 10]);
  assert.deepEqual([secondBest.subset, secondBest.score], ['hamburg', 91]);
  assert.equal(backups[0].master, 'elbe');
  const { moves, unmeasured, totals } = await ask('plan');
  assert.deepEqual(moves, [
    {
      ...{ member: { name: 'web-1', subset: 'hamburg' }, master: 'elbe', reason: 'better' },
      ...{ to: { subset: 'bremen', master: 'weser' }, score: 10, gain: 81, minute: 1 },
    },
  ]);
  assert.deepEqual(unmeasured, [{ name: 'absent', subset: 'hamburg' }]);
  assert.equal(totals.members, 2);
  const lossy = await ask('plan', '--without', 'weser');
  assert.deepEqual(lossy.takeovers, [{ subset: 'bremen', from: 'weser', to: 'elbe' }]);
  assert.deepEqual(lossy.moves, []);
  const { subsets } = await ask('backups', 'hamburg');
  assert.equal(subsets[0].command, 'hanse subset backups hamburg --set weser');
});
