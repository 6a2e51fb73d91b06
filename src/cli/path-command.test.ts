import assert from 'node:assert/strict';
import { test } from 'node:test';
import { directMember, directPath } from '../../test/support/direct-member.ts';
import { startLoneMaster } from '../../test/support/lone-master.ts';
import { operatorName } from '../../test/support/master-bed.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import type { DirectPath } from '../api/direct-messages.ts';
import { parseMasterName } from '../model/names.ts';

const lone = await startLoneMaster();
const { bed } = lone;

const path = (part: Partial<DirectPath> = {}) => directPath('web-2', part);
const rest = (member: string) =>
  `everything else of ${member} goes through a master; its session is with elbe\n`;

const hanse = (...args: readonly string[]) =>
  runHanse(['path', ...args], {
    env: { HANSE_DIR: bed.directory.path, HANSE_PROFILE: bed.directory.operator(operatorName) },
  });

const live = (name: string, takesDirect = true) => directMember(name, lone, takesDirect);

test('the direct paths of a member are shown as it tells them, to people and to programs', async () => {
  await using client = await live('web-1');
  const { endpoint: _, roundTripMs: _2, handshakeAgeMs: _3, ...silent } = path();
  const failed: DirectPath = { ...silent, state: 'failed', reason: 'nothing came', tried: [] };
  for (const [options, paths] of [
    [[], [path(), failed]],
    [['--json'], [path()]],
    [[], []],
  ] as const) {
    const run = hanse('web-1.hamburg', ...options);
    await client.expect('report-paths');
    client.send({ type: 'paths', paths: [...paths], held: [] });
    const { out, err, exitCode } = await run;
    assert.equal(exitCode, 0, err);
    if (options.length > 0) {
      const answer = { master: 'elbe', takesDirectPaths: true, direct: paths, isFresh: true };
      assert.deepEqual(JSON.parse(out), { member: 'web-1.hamburg', ...answer });
      continue;
    }
    const [heading, one, other] = out.split('\n').map((line) => line.replace(/ {2,}/g, '|'));
    assert.ok(out.endsWith(rest('web-1.hamburg')));
    if (paths.length === 0) assert.equal(heading, 'web-1.hamburg has no direct path now');
    else {
      assert.equal(heading, 'DIRECT|STATE|ENDPOINT|ROUND TRIP|HANDSHAKE|WHY|TRIED');
      const where = '198.51.100.1:1111';
      assert.equal(one, `web-2|direct for 5 s|${where}|1.5 ms|9 s ago|packets come back|${where}`);
      assert.equal(other, 'web-2|failed for 5 s|-|-|never|nothing came|-');
    }
  }
});

test('a path by a relay says whose it is', async () => {
  await using client = await live('web-3');
  const run = hanse('web-3.hamburg');
  await client.expect('report-paths');
  const relayedBy = parseMasterName('elbe');
  client.send({ type: 'paths', paths: [path({ relayedBy })], held: [] });
  assert.match((await run).out, / 198\.51\.100\.1:1111 \(relay elbe\) /);
});

test('a member that is too old, away or not there', async () => {
  const older = await live('older', false);
  const shown = await hanse('older');
  assert.equal(shown.exitCode, 0, shown.err);
  const why = 'older.hamburg takes no direct paths: its software is too old\n';
  assert.equal(shown.out, `${why}${rest('older.hamburg')}`);
  await older[Symbol.asyncDispose]();
  const away = await hanse('older.hamburg');
  assert.deepEqual([away.exitCode, away.out], [1, '']);
  assert.match(away.err, /^hanse: older has no session with elbe, which could ask it\n/);
  const nobody = await hanse('nobody');
  assert.deepEqual([nobody.exitCode, nobody.out], [1, '']);
  assert.match(nobody.err, /^hanse: no subset has a member nobody; /);
  assert.equal((await hanse('nobody.hamburg')).exitCode, 1);
  assert.equal((await hanse('NOT A NAME.hamburg')).exitCode, 2);
});
