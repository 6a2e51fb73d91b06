import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts';
import { systemClock } from '../../runtime/clock.ts';
import { InterfaceNotes } from '../interface-notes.ts';
import { createRunner } from '../runner.ts';
import { createDevice, removeDevice } from './device.ts';

it('a wireguard-go that does not come up is reported with what it says, and leaves no note', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'wireguard-go');
  const script = '#!/bin/sh\n[ "$LOG_LEVEL" = silent ] || echo "no /dev/net/tun" >&2\nexit 1\n';
  await writeFile(path, script, { mode: 0o755 });
  const notesDirectory = join(directory.path, 'notes');
  const dependencies = {
    backend: { kind: 'wireguard-go', version: '0.0.20250522', path },
    runner: createRunner(),
    notes: new InterfaceNotes(notesDirectory),
    clock: systemClock,
  } as const;
  const name = `hnstest${process.pid.toString(36)}`;
  await assert.rejects(createDevice(name, 'hanse:test', dependencies), {
    code: 'wireguard-go-failed',
    fields: { interface: name, output: 'no /dev/net/tun' },
  });
  assert.deepEqual(await readdir(notesDirectory), []);
  await removeDevice(name, dependencies);
});
