import assert from 'node:assert/strict';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MasterBed } from '../../test/support/master-bed.ts';
import { runHanse } from '../../test/support/run-hanse.ts';
import { temporaryDirectory } from '../../test/support/temporary-directory.ts';
import { parseMasterName } from '../model/names.ts';

const cleanup = new AsyncDisposableStack();
let bed: MasterBed;
let folder: string;
before(async () => {
  bed = cleanup.use(await MasterBed.create({ subsets: { hamburg: ['elbe'] } }));
  folder = cleanup.use(await temporaryDirectory()).path;
});
after(() => cleanup.disposeAsync());

const hanse = (...args: readonly string[]) =>
  runHanse(args, { env: { HANSE_DIR: bed.directory.path } });

test('a VPN is saved, checked and restored, and every step says what it means', async () => {
  const file = join(folder, 'corp.hanse');
  const made = await hanse('backup', file);
  assert.equal(made.exitCode, 0, made.err);
  assert.match(made.out, /^subsets +hamburg \(0 members\)$/m);
  assert.match(made.err, /This file is a secret/);
  assert.match(made.err, /The root key is not in it/);
  const checked = await hanse('backup', file, '--verify', '--json');
  const { sha256, hasRootKey, masters } = JSON.parse(checked.out);
  assert.deepEqual([checked.exitCode, hasRootKey, masters], [0, false, ['elbe']]);
  assert.ok(made.out.includes(sha256));
  assert.equal((await hanse('backup', file)).exitCode, 1);

  const place = join(folder, 'restored');
  const restored = await hanse('restore', file, '--dir', place);
  assert.equal(restored.exitCode, 0, restored.err);
  assert.match(restored.out, /^as of +20/m);
  assert.match(restored.err, /Invites did not come back/);
  assert.equal((await stat(join(place, 'sealing.key'))).mode & 0o777, 0o600);
  const shown = await hanse('vpn', 'show', '--dir', place, '--json');
  assert.equal(JSON.parse(shown.out).vpn.id, bed.vpn.id);
  const again = await hanse('restore', file, '--dir', place);
  assert.equal(again.exitCode, 2);
  assert.match(again.err, /is not empty/);
  const nowhere = await hanse('restore', join(folder, 'nothing'), '--dir', join(folder, 'x'));
  assert.equal(nowhere.exitCode, 2);
  await assert.rejects(stat(join(folder, 'x')), { code: 'ENOENT' });
});

test('a VPN moves to another store, and its masters’ files with it', async () => {
  await mkdir(join(folder, 'new'));
  const [from, to] = [bed.storeUrl, `sqlite:${join(folder, 'new', 'store.db')}`];
  const run = await hanse(
    'store',
    'copy',
    '--from',
    from,
    '--to',
    to,
    '--update-configs',
    '--json',
  );
  assert.equal(run.exitCode, 0, run.err);
  const { entries, wasThere, configs, sha256 } = JSON.parse(run.out);
  assert.ok(entries > 5);
  assert.equal(wasThere, false);
  const path = bed.directory.master(parseMasterName('elbe')).config;
  assert.deepEqual(configs, [{ path, isMoved: true }]);
  assert.ok((await readFile(path, 'utf8')).includes(`store: "${to}"`));
  const again = await hanse('store', 'copy', '--from', from, '--to', to);
  assert.equal(again.exitCode, 0, again.err);
  assert.match(again.out, /nothing: it was there already/);
  assert.ok(again.out.includes(sha256));
  assert.match(again.err, /into every master\.yaml, then start the masters/);
  assert.equal((await hanse('store', 'copy', '--from', to, '--to', to)).exitCode, 2);
  const missing = `sqlite:${join(folder, 'missing.db')}`;
  const none = await hanse('store', 'copy', '--from', missing, '--to', `${to}2`);
  assert.match(none.err, /there is no store/);
});
