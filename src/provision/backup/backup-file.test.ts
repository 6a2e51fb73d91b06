import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parseVpnName } from '../../model/names.ts';
import { compareKeys } from '../../store/key-range.ts';
import { type BackupContents, decodeBackup, encodeBackup } from './backup-file.ts';
import { parseDataPath } from './data-files.ts';

const files = [
  { path: 'sealing.key', text: 'secret\n' },
  { path: 'masters/elbe/master.yaml', text: 'name: elbe\n' },
];

function contentsOf(entries: BackupContents['entries']): BackupContents {
  const header = {
    vpn: { name: parseVpnName('corp'), id: '0123abcd' },
    createdAtMs: 1_795_000_000_000,
    software: '0.1.0',
    files: files.length,
    entries: entries.length,
  };
  return { header, files, entries };
}

const entriesArbitrary = fc
  .uniqueArray(
    fc.record(
      {
        key: fc
          .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
          .filter((key) => !key.includes('\0')),
        value: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      },
      { noNullPrototype: true },
    ),
    { selector: ({ key }) => key, minLength: 1, maxLength: 20 },
  )
  .map((entries) => entries.toSorted((one, other) => compareKeys(one.key, other.key)));
const example = contentsOf([
  { key: 'directory/vpn', value: Buffer.from('{}') },
  { key: 'roll/north/member/a', value: Buffer.from('{"a":1}') },
]);

test('whatever is written is read again as it was', () => {
  fc.assert(
    fc.property(entriesArbitrary, (entries) => {
      const contents = contentsOf(entries);
      const { sha256, ...read } = decodeBackup(encodeBackup(contents));
      assert.deepEqual(read, contents);
      assert.match(sha256, /^[0-9a-f]{64}$/);
    }),
  );
});

test('every changed, missing and added byte is found', () => {
  const bytes = encodeBackup(example);
  for (let at = 0; at < bytes.length; at += 1) {
    for (const flip of [1, 0x20, 0x80]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ flip;
      assert.throws(() => decodeBackup(changed), { code: 'bad-backup' }, `${flip} at ${at}`);
    }
    assert.throws(
      () => decodeBackup(bytes.subarray(0, at)),
      { code: 'bad-backup' },
      `cut at ${at}`,
    );
    const longer = Buffer.concat([bytes.subarray(0, at), Buffer.from('x'), bytes.subarray(at)]);
    assert.throws(() => decodeBackup(longer), { code: 'bad-backup' }, `more at ${at}`);
  }
  assert.throws(() => decodeBackup(Buffer.concat([bytes, Buffer.from('\n')])), {
    code: 'bad-backup',
  });
});

/** A file whose hashes are right and whose contents somebody has made up. */
function forged(change: (lines: string[]) => readonly string[]): Buffer {
  const bytes = encodeBackup(example);
  const lines = gunzipSync(bytes.subarray(bytes.indexOf('\n') + 1))
    .toString()
    .split('\n');
  return wrapped(
    gzipSync(
      change(lines.slice(0, -1))
        .map((line) => `${line}\n`)
        .join(''),
    ),
  );
}

function wrapped(packed: Buffer): Buffer {
  const sha256 = createHash('sha256').update(packed).digest('hex');
  return Buffer.concat([Buffer.from(`hanse-backup 1 ${sha256} ${packed.length}\n`), packed]);
}

const paths = [
  '../evil',
  '/etc/passwd',
  'masters/../../evil/master.yaml',
  'masters/elbe/../master.yaml',
  'masters/elbe/master.yaml/x',
  'masters/.././master.yaml',
  'operators/admin/../../sealing.key',
  'operators/Admin/profile.json',
  'store.db',
  'member/identity.pem',
  'root',
  'sealing.key\0',
  '',
];

test('no path leads out of the directory, or to what is not a VPN’s', () => {
  for (const path of paths) {
    assert.equal(parseDataPath(path), undefined, path);
    const line = JSON.stringify({ file: path, text: '' });
    const hostile = forged(([header = '', first = '', , ...rest]) => [
      header,
      first,
      line,
      ...rest,
    ]);
    assert.throws(() => decodeBackup(hostile), { code: 'bad-backup', message: /file 2/ }, path);
  }
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('..', '.', '', 'masters', 'elbe', 'master.yaml', 'root', '\\'), {
        maxLength: 5,
      }),
      (parts) => {
        const path = parts.join('/');
        assert.ok(
          parseDataPath(path) === undefined || /^masters\/[a-z]+\/master\.yaml$/.test(path),
        );
      },
    ),
  );
});

test('a made-up file is refused in words, whatever is wrong with it', () => {
  const header = (change: object) => (lines: string[]) => [
    JSON.stringify({ ...JSON.parse(lines[0] ?? ''), ...change }),
    ...lines.slice(1),
  ];
  const cases: readonly [RegExp, (lines: string[]) => readonly string[]][] = [
    [/ends before the header/, () => []],
    [/the header is not valid/, header({ entries: -1 })],
    [/the header is not valid/, header({ more: 1 })],
    [/file 3 is not valid/, header({ files: 10_000 })],
    [/2 entries where its header says 3/, header({ entries: 3 })],
    [/ends before file 2/, (lines) => lines.slice(0, 2)],
    [/file 2 is not JSON/, ([a = '', b = '', , ...rest]) => [a, b, '{', ...rest]],
    [/one file twice/, ([a = '', b = '', , ...rest]) => [a, b, b, ...rest]],
    [/not in key order/, ([a = '', b = '', c = '', d = '', e = '']) => [a, b, c, e, d]],
    [/not in key order/, ([a = '', b = '', c = '', d = '']) => [a, b, c, d, d]],
    [/is not base64/, (lines) => [...lines.slice(0, -1), '{"key":"z","value":"e30"}']],
    [/must not be empty/, (lines) => [...lines.slice(0, -1), '{"key":"","value":""}']],
    [
      /U\+0000 are not allowed/,
      (lines) => [...lines.slice(0, -1), '{"key":"a\\u0000","value":""}'],
    ],
    [/entry 2 is not valid/, (lines) => [...lines.slice(0, -1), '{"key":1,"value":""}']],
  ];
  for (const [message, change] of cases) {
    assert.throws(() => decodeBackup(forged(change)), { code: 'bad-backup', message });
  }
  const text = (bytes: string) => wrapped(gzipSync(bytes));
  assert.throws(() => decodeBackup(text('{}')), { code: 'bad-backup', message: /no end/ });
  assert.throws(() => decodeBackup(wrapped(Buffer.from('text'))), {
    code: 'bad-backup',
    message: /cannot be unpacked/,
  });
  assert.throws(() => decodeBackup(Buffer.from('hanse-backup 2 x')), { code: 'bad-backup' });
});
