import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directMember, directPath } from '../../../test/support/direct-member.ts';
import { startLoneMaster } from '../../../test/support/lone-master.ts';
import { until } from '../../../test/support/until.ts';
import type { DirectPath } from '../../api/direct-messages.ts';
import { getMemberPaths, type MemberPaths } from '../../api/path-endpoints.ts';
import { parseMemberName, parseSubsetName } from '../../model/names.ts';

const hamburg = parseSubsetName('hamburg');

const lone = await startLoneMaster();
const { bed, master: elbe } = lone;
const operator = await bed.operator();

const live = (name: string, takesDirect = true) => directMember(name, lone, takesDirect);

const path = (part: Partial<DirectPath> = {}) => directPath('peer', part);
const pathsOf = (name: string): Promise<MemberPaths> =>
  operator.call(getMemberPaths, { params: { subset: hamburg, name: parseMemberName(name) } });

test('a member is asked, and its answer passed on as it is', async () => {
  await using client = await live('anna');
  const asked = pathsOf('anna');
  await client.expect('report-paths');
  const paths = [path(), path({ state: 'failed', reason: 'nothing came back', tried: [] })];
  client.send({ type: 'paths', paths, held: [] });
  assert.deepEqual(await asked, {
    ...{ master: 'elbe', takesDirectPaths: true, direct: paths, isFresh: true },
  });
});

test('a member that does not answer within two seconds is quoted from before, and said to be', async () => {
  await using client = await live('berta');
  const paths = [path({ state: 'trying' })];
  client.send({ type: 'paths', paths, held: [] });
  const live_ = elbe.master.hub.find(hamburg, parseMemberName('berta'));
  await until('the report', () => live_?.direct.paths.length === 1);
  const asked = pathsOf('berta');
  await client.expect('report-paths');
  elbe.clock.jump(2_000);
  assert.deepEqual(await asked, {
    ...{ master: 'elbe', takesDirectPaths: true, direct: paths, isFresh: false },
  });
});

test('two who ask at once get the same answer', async () => {
  await using client = await live('carla');
  const asked = [pathsOf('carla'), pathsOf('carla')];
  await client.expect('report-paths');
  await client.expect('report-paths');
  client.send({ type: 'paths', paths: [path()], held: [] });
  const [one, other] = await Promise.all(asked);
  assert.ok(one?.isFresh);
  assert.deepEqual(one, other);
});

test('a member whose software is older than direct paths is not asked', async () => {
  await using client = await live('dora', false);
  assert.deepEqual(await pathsOf('dora'), {
    ...{ master: 'elbe', takesDirectPaths: false, direct: [], isFresh: true },
  });
  assert.deepEqual(client.messages, []);
});

test('who has no session cannot be asked, and who is no member is not found', async () => {
  const client = await live('emil');
  await client[Symbol.asyncDispose]();
  const name = parseMemberName('emil');
  await until('the session is over', () => !elbe.master.hub.find(hamburg, name));
  await assert.rejects(pathsOf('emil'), {
    ...{ code: 'not-connected', status: 409, retryable: false },
    message: 'emil has no session with elbe, which could ask it',
  });
  await elbe.subset('hamburg').departures.remove(name, 'evicted', 'operator:ada');
  for (const missing of ['emil', 'nobody']) {
    await assert.rejects(pathsOf(missing), { code: 'no-such-member', status: 404 });
  }
});
