import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { joinedNode } from '../../test/support/joined-node.ts';
import { MasterBed, operatorName } from '../../test/support/master-bed.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { RunningMaster } from '../../test/support/running-master.ts';
import { SessionNode } from '../../test/support/session-client.ts';
import { until } from '../../test/support/until.ts';
import { masterMeasurementSchema } from '../api/measuring-messages.ts';
import { listMembers } from '../api/member-endpoints.ts';
import { parseMemberName } from '../model/names.ts';

interface World {
  readonly bed: MasterBed;
  readonly elbe: RunningMaster;
  readonly weser: RunningMaster;
}

const to = (name: string, latencyMs: number) =>
  masterMeasurementSchema.parse({
    ...{ name, stun: 'answers', sent: 8, lost: 0, latencyMs, jitterMs: 0.5 },
  });

/** A node in hamburg that would be better off in bremen, and goes there when it is told, or then. */
async function startNode(
  name: string,
  { bed, elbe, weser }: World,
  goes: Promise<void> = Promise.resolve(),
): Promise<void> {
  const node = await joinedNode(name, { bed, master: elbe });
  const session = await node.connect(elbe.endpoint);
  session.send({ type: 'hello', appliedRevision: 0, appliedEpoch: 0, measures: true, moves: true });
  await session.expect('view');
  await session.expect('candidates');
  session.send({ type: 'measurements', masters: [to('elbe', 90), to('weser', 9)] });
  session.socket.on('message', async () => {
    const order = session.messages.find((message) => message.type === 'move');
    if (!order) return;
    session.messages.length = 0;
    await goes;
    const joining = await node.connect(weser.endpoint);
    const keys = { acting: new SessionNode(name).wireguardKey };
    joining.send({ type: 'join', token: order.token, name: parseMemberName(name), keys });
    const { chain } = await joining.expect('admitted');
    session.send({ type: 'moved', chain });
  });
}

test('a plan is shown and carried out, and carried out again it has nothing to do', async () => {
  await using bed = await MasterBed.create({ subsets: { hamburg: ['elbe'], bremen: ['weser'] } });
  await using elbe = await RunningMaster.start(bed, 'elbe');
  await using weser = await RunningMaster.start(bed, 'weser');
  const names = ['anna', 'bela'];
  for (const name of names) await startNode(name, { bed, elbe, weser });
  const operator = await bed.operator();
  const roll = async (subset: string) => {
    const { members } = await operator.call(listMembers, { params: { subset }, query: {} });
    return members;
  };
  const file = join(bed.directory.path, 'policy.yaml');
  await writeFile(file, 'movesPerMinute: 10\n');
  const hanse = async (...args: readonly string[]) =>
    runHanse(['placement', ...args, '--policy', file], {
      env: { HANSE_DIR: bed.directory.path, HANSE_PROFILE: bed.directory.operator(operatorName) },
    });
  await until(
    'both are planned for',
    async () => JSON.parse((await hanse('plan', '--json')).out).totals.moves === 2,
    60_000,
  );

  const unasked = await hanse('apply');
  assert.equal(unasked.exitCode, 2);
  assert.match(unasked.err, /nobody is there to be asked: give --yes/);
  assert.deepEqual((await roll('bremen')).length, 0);

  const run = await hanse('apply', '--yes', '--json');
  assert.equal(run.exitCode, 0, `${run.out}${run.err}`);
  const [planned, ...lines] = run.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual([planned.type, planned.totals.moves], ['planned', 2]);
  assert.deepEqual(lines.at(-1), { type: 'finished', left: 0 });
  assert.deepEqual(
    lines
      .slice(0, -1)
      .map(({ type, member, to }) => [type, member, to])
      .sort(),
    names.map((name) => ['moved', `${name}.hamburg`, 'bremen']),
  );
  assert.deepEqual(
    (await roll('bremen')).map(({ name }) => name),
    names,
  );

  const again = await hanse('apply', '--yes');
  assert.equal(again.exitCode, 0, again.err);
  assert.match(again.out, /nobody would move/);
  assert.match(again.out, /members +2\n/, 'who is in two rolls counts once');

  const { promise: goes, resolve: go } = Promise.withResolvers<void>();
  await startNode('clara', { bed, elbe, weser }, goes);
  await until(
    'clara is planned for',
    async () => (await hanse('plan')).out.includes('clara'),
    60_000,
  );
  const cutShort = await hanse('apply', '--yes', '--wait', '0s');
  assert.equal(cutShort.exitCode, 1);
  assert.match(cutShort.out, /clara\.hamburg: it has not moved yet/);
  assert.match(cutShort.err, /1 are not moved/);
  const meanwhile = await hanse('apply', '--yes');
  assert.match(meanwhile.out, /nobody would move/, 'it is on its way already');
  assert.match(meanwhile.out, /on their way +clara\.bremen\n/);
  go();
  await until('clara has moved', async () => (await roll('bremen')).length === 3);
  const last = await hanse('apply', '--yes');
  assert.match(last.out, /nobody would move\n\nmembers +3\n/);
});
