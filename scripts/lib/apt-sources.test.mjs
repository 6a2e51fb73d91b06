import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { formatAptSource, parseDeb822, parseOneLine, readAptSources } from './apt-sources.mjs';

const deb822 = `Types: deb deb-src
# a comment between fields
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
`;

describe("the machine's apt sources", () => {
  it('are read in the form of stanzas, without what is disabled or only source', () => {
    const [source, ...others] = parseDeb822(deb822);
    assert.deepEqual(others, []);
    assert.deepEqual(source?.uris, ['http://mirror.example/debian']);
    assert.deepEqual(source?.suites, ['bookworm', 'bookworm-updates']);
    assert.match(source?.signedBy ?? '', /^-----BEGIN[\s\S]*END PGP PUBLIC KEY BLOCK-----$/);
  });

  it('are read in the form of lines, with options and comments', () => {
    const text = [
      '# deb http://off.example/debian bookworm main',
      'deb [arch=amd64,arm64 signed-by=/usr/share/keyrings/a.gpg] http://m.example/d bookworm main contrib # ours',
      'deb-src http://m.example/d bookworm main',
      'deb http://plain.example/d bookworm main',
    ].join('\n');
    assert.deepEqual(parseOneLine(text), [
      {
        uris: ['http://m.example/d'],
        suites: ['bookworm'],
        components: ['main', 'contrib'],
        signedBy: '/usr/share/keyrings/a.gpg',
        options: { Architectures: 'amd64 arm64' },
      },
      {
        uris: ['http://plain.example/d'],
        suites: ['bookworm'],
        components: ['main'],
        signedBy: undefined,
        options: {},
      },
    ]);
  });

  it('make the entry of another suite of the same archive, which reads the same', () => {
    const [source] = parseDeb822(deb822);
    assert.ok(source);
    const [derived] = parseDeb822(formatAptSource(source, 'bookworm-backports'));
    assert.deepEqual(derived, { ...source, suites: ['bookworm-backports'] });
  });

  it('come from both places, and from no file that apt would not read', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'hanse-test-'));
    try {
      assert.deepEqual(await readAptSources(directory), []);
      await mkdir(join(directory, 'sources.list.d'));
      const line = (host) => `deb http://${host}.example/d bookworm main\n`;
      await writeFile(join(directory, 'sources.list'), line('one'));
      await writeFile(join(directory, 'sources.list.d', 'two.list'), line('two'));
      await writeFile(join(directory, 'sources.list.d', 'three.list.disabled'), line('three'));
      await writeFile(join(directory, 'sources.list.d', 'four.sources'), deb822);
      const uris = (await readAptSources(directory)).flatMap((source) => source.uris);
      assert.deepEqual(uris, [
        'http://one.example/d',
        'http://mirror.example/debian',
        'http://two.example/d',
      ]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
