import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** What a member imports of this folder before it has joined. */
const memberModules = [
  'certificate-check.ts',
  'invite-token.ts',
  'leaf-certificate.ts',
  'self-signed-certificate.ts',
  'wireguard-keys.ts',
];

test('a member’s start loads no library for certificates or tokens', () => {
  const script = `
    import { registerHooks } from 'node:module';
    const packages = new Set();
    registerHooks({
      resolve(specifier, context, next) {
        if (/^[@a-z]/.test(specifier) && !specifier.includes(':')) packages.add(specifier);
        return next(specifier, context);
      },
    });
    for (const file of ${JSON.stringify(memberModules)}) await import('./' + file);
    process.stdout.write(JSON.stringify([...packages]));
  `;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { cwd: fileURLToPath(new URL('.', import.meta.url)), encoding: 'utf8' },
  );
  const loaded: unknown = JSON.parse(stdout || JSON.stringify(stderr));
  assert.ok(Array.isArray(loaded) && loaded.includes('zod'), String(loaded));
  const heavy = loaded.filter((name: string) => /peculiar|pkijs|asn1|jose/.test(name));
  assert.deepEqual(heavy, []);
});
