import assert from 'node:assert/strict';
import { it } from 'node:test';
import { withoutPrograms } from '../../../test/support/without-programs.ts';
import { createRunner } from '../runner.ts';
import { detectBackend, requireVersion } from './backend.ts';

const path = '/usr/bin/wireguard-go';
const oldProgram = Buffer.from('golang.zx2c4.com/wireguard/conn.NewStdNetBind');
const newProgram = Buffer.from('golang.zx2c4.com/wireguard/conn.coalesceMessages');
const saying = (version: string): string =>
  `wireguard-go v${version}\n\nUserspace WireGuard daemon`;

it('takes a wireguard-go that says a version which is new enough', () => {
  assert.equal(requireVersion(saying('0.0.20250522'), path, oldProgram), '0.0.20250522');
});

it('recognises release 20231211 although it says 20230223', () => {
  assert.equal(requireVersion(saying('0.0.20230223'), path, newProgram), '0.0.20231211');
});

it('refuses an older wireguard-go and says which one is needed', () => {
  for (const version of ['0.0.20220316', '0.0.20230223']) {
    assert.throws(() => requireVersion(saying(version), path, oldProgram), {
      code: 'wireguard-go-too-old',
      fields: { path, version, minimumVersion: '0.0.20231211' },
      message: /install wireguard-go 0\.0\.20231211 or later/,
    });
  }
});

it('refuses a program that does not say what it is', () => {
  assert.throws(() => requireVersion('hello', path, newProgram), { code: 'unreadable-output' });
});

it('finds the WireGuard of a machine that can run these tests, and leaves no probe behind', async () => {
  const runner = createRunner();
  const backends = await Promise.all([detectBackend(runner), detectBackend(runner)]);
  assert.deepEqual(backends[0], backends[1]);
  assert.match(backends[0].kind, /^(kernel|wireguard-go)$/);
  const { stdout } = await runner.run('ip', ['link'], { timeoutMs: 5_000 });
  assert.doesNotMatch(stdout, /hnsprobe/);
});

it('says what to install where there is no WireGuard at all', async () => {
  const runner = {
    ...createRunner(),
    // The answer of a kernel without WireGuard.
    run: () => createRunner().run('ip', ['link', 'add', 'x', 'type', 'no'], { timeoutMs: 5_000 }),
  };
  await withoutPrograms(() =>
    assert.rejects(detectBackend(runner), {
      code: 'no-wireguard',
      message: /install wireguard-go/,
    }),
  );
});
