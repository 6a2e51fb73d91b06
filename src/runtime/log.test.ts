import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);

test('a log that cannot be written ends nothing', async () => {
  const program = `
    const { createLog } = await import(${JSON.stringify(new URL('log.ts', import.meta.url))});
    const log = createLog({ level: 'info', name: 'elbe' });
    for (const text of ['one', 'two']) log.info(text);
    setTimeout(() => { log.info('three'); console.log('alive'); }, 100);`;
  const script = '"$0" --input-type=module -e "$1" 2> /dev/full';
  const { stdout } = await run('sh', ['-c', script, process.execPath, program]);
  assert.equal(stdout, 'alive\n');
});
