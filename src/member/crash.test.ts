import assert from 'node:assert/strict';
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CertificateBed } from '../../test/support/certificate-bed.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { startMemberProcess } from '../../test/support/member-process.ts';
import { MemoryHost } from '../../test/support/memory-host.ts';
import { memberDirectory, RunningMember } from '../../test/support/running-member.ts';
import { ScriptedMaster } from '../../test/support/scripted-master.ts';

/** When to kill, which is the thing under test and not a wait for anything: from before the answer is read to after it is acknowledged, on whatever machine. */
const killDelaysMs = [0, 1, 2, 4, 8, 16, 32, 64];

for (const delayMs of killDelaysMs) {
  test(`a member killed ${delayMs} ms after its join was answered is the same member again`, async () => {
    await using directory = await memberDirectory();
    const bed = await CertificateBed.create();
    await using master = await ScriptedMaster.start(bed);
    const killed = startMemberProcess(directory.path, await master.invite());
    const first = await master.session();
    const request = await first.receive('join');
    const identity = first.identitySpki;
    const admission = await master.admission(first, request);
    first.send(admission);
    await delay(delayMs);
    await killed.kill();

    const host = new MemoryHost();
    await using _member = new RunningMember(
      { directory: directory.path },
      { clock: new ManualClock(), host },
    );
    const session = await master.session();
    assert.deepEqual(session.identitySpki, identity);
    if (session.clientName === undefined) {
      assert.deepEqual(await session.receive('join'), request);
      session.send(await master.admission(session, request));
      await session.receive('acknowledge');
    } else {
      assert.equal((await session.receive('hello')).appliedRevision, 5);
    }
    assert.deepEqual(host.interfaces[0]?.addresses, ['100.64.0.2', 'fd12:3456:789a:1::2']);
    const files = await readdir(join(directory.path, 'memberships', 'hansa.east'));
    assert.deepEqual(
      files.filter((file) => !file.startsWith('.')),
      ['membership.json'],
    );
  });
}

test('a member killed between writing its membership and removing the join removes it afterwards', async () => {
  await using directory = await memberDirectory();
  const bed = await CertificateBed.create();
  await using master = await ScriptedMaster.start(bed);
  const killed = startMemberProcess(directory.path, await master.invite());
  const first = await master.session();
  const folder = join(directory.path, 'memberships', 'hansa.east');
  const request = await first.receive('join');
  await copyFile(join(folder, 'pending.json'), join(directory.path, 'kept'));
  first.send(await master.admission(first, request));
  await first.receive('acknowledge');
  await killed.kill();
  await copyFile(join(directory.path, 'kept'), join(folder, 'pending.json'));
  await using _member = new RunningMember(
    { directory: directory.path },
    { clock: new ManualClock(), host: new MemoryHost() },
  );
  await (await master.session()).receive('hello');
  assert.ok(!(await readdir(folder)).includes('pending.json'));
});

test('a member killed before its join was answered sends it again, word for word', async () => {
  await using directory = await memberDirectory();
  await using master = await ScriptedMaster.start(await CertificateBed.create());
  const killed = startMemberProcess(directory.path, await master.invite());
  const request = await (await master.session()).receive('join');
  await killed.kill();
  await using _member = new RunningMember(
    { directory: directory.path },
    { clock: new ManualClock(), host: new MemoryHost() },
  );
  assert.deepEqual(await (await master.session()).receive('join'), request);
});
