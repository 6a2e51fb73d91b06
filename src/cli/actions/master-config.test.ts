import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts';
import { readMasterConfig } from './master.ts';

const text = [
  'name: fra',
  'dir: /from/file',
  'store: sqlite:/from/file/store.db',
  'listen: 0.0.0.0:8443',
  'metricsListen: 127.0.0.1:9469',
].join('\n');

test('every option of a master’s run wins over its file, and what is left out is the file’s', async () => {
  await using directory = await temporaryDirectory();
  const dir = directory.path;
  const config = join(dir, 'masters', 'fra', 'master.yaml');
  await mkdir(dirname(config), { recursive: true });
  await writeFile(config, text);
  const options = {
    dir,
    store: 'sqlite:/elsewhere.db',
    listen: '192.0.2.1:1',
    metricsListen: '127.0.0.1:2',
    logLevel: 'debug',
  } as const;
  const relayPorts = { first: 61_000, count: 200 };
  assert.deepEqual(await readMasterConfig(options), { name: 'fra', ...options, relayPorts });
  assert.deepEqual(await readMasterConfig({ config }), {
    name: 'fra',
    dir: '/from/file',
    store: 'sqlite:/from/file/store.db',
    listen: '0.0.0.0:8443',
    metricsListen: '127.0.0.1:9469',
    relayPorts,
    logLevel: 'info',
  });
});
