import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { masterOptions, worldWithVpn } from '../../test/support/provisioned-world.ts';
import { createMaster } from './create-master.ts';
import { movedConfigText, moveMasterConfigs } from './master-config-edit.ts';

test('a file gets its new places and keeps everything else, comments too', () => {
  const text =
    '# by hand\nname: "elbe" # the first\ndir: "/old"\nstore: sqlite:/old/store.db\nlogLevel: debug\n';
  const moved = movedConfigText(text, { dir: '/new: dir', store: 'sqlite:/new' }, 'master.yaml');
  assert.equal(
    moved,
    '# by hand\nname: "elbe" # the first\ndir: "/new: dir"\nstore: sqlite:/new\nlogLevel: debug\n',
  );
});

test('what is no configuration is refused with its path', () => {
  for (const text of ['', '- a', 'a: [', 'text']) {
    assert.throws(
      () => movedConfigText(text, { store: 'x' }, '/etc/master.yaml'),
      {
        code: 'invalid',
        message: /^\/etc\/master\.yaml is not a master's configuration/,
      },
      text,
    );
  }
});

test('masters on the old store move to the new one, others are left alone, and again is harmless', async () => {
  await using world = await worldWithVpn();
  const { directory, storeUrl } = world.dependencies;
  for (const name of ['elbe', 'trave'])
    await createMaster(masterOptions(name, world), world.dependencies);
  const [elbe, trave] = ['elbe', 'trave'].map((name) => `${directory.masters}/${name}/master.yaml`);
  assert.ok(elbe && trave);
  const elsewhere = (await readFile(trave, 'utf8')).replace(storeUrl, 'sqlite:/elsewhere');
  await writeFile(trave, elsewhere);
  const before = await readFile(elbe, 'utf8');
  for (const _time of [1, 2]) {
    assert.deepEqual(await moveMasterConfigs(directory, { from: storeUrl, to: 'etcd://a:1' }), [
      { path: elbe, isMoved: true },
      { path: trave, isMoved: false },
    ]);
    assert.equal(await readFile(elbe, 'utf8'), before.replace(storeUrl, 'etcd://a:1'));
    assert.equal(await readFile(trave, 'utf8'), elsewhere);
  }
});
