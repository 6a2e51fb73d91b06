import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts';
import { readAsLinks, readSystemGraph } from './as-links.ts';

async function read(text: string): ReturnType<typeof readAsLinks> {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, 'as-rel.txt');
  await writeFile(path, text);
  return await readAsLinks(path);
}

test('both forms of CAIDA’s files are read, with comments and any ends of lines', async () => {
  const links = await read(
    '# source:topology|BGP\n1|11537|0\r\n174|64500|-1\n\n64500|64501|1\n3356|174|0|bgp,mlp\n',
  );
  assert.deepEqual(links, [
    { one: 1, other: 11_537, relation: 'peer' },
    { one: 174, other: 64_500, relation: 'provider' },
    { one: 64_500, other: 64_501, relation: 'sibling' },
    { one: 3_356, other: 174, relation: 'peer' },
  ]);
});

test('a line that is something else is refused with its number', async () => {
  for (const line of ['174 3356 0', '174|3356|2', '174|3356', '{']) {
    await assert.rejects(read(`1|2|0\n${line}\n`), {
      code: 'invalid',
      message: /as-rel\.txt:2: expected SYSTEM\|SYSTEM\|RELATION, such as 174\|64500\|-1/,
    });
  }
  await assert.rejects(readAsLinks('/nonexistent/as-rel.txt'), {
    code: 'invalid',
    message: /there is no file/,
  });
  await assert.rejects(readAsLinks('/'), { code: 'invalid', message: /\/ cannot be read: EISDIR/ });
});

test('a file of another size than there can be is refused unread', async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, 'as-rel.txt');
  await writeFile(path, '');
  await truncate(path, 64 * 1024 * 1024 + 1);
  await assert.rejects(readAsLinks(path), { code: 'invalid', message: /larger than 67108864 b/ });
});

test('the systems of a file are linked as it says', async () => {
  await using folder = await temporaryDirectory();
  const path = join(folder.path, 'as-rel.txt');
  await writeFile(path, '1|2|0\n1|10|-1\n2|20|-1\n');
  assert.equal((await readSystemGraph(path)).distance(10, 20), 3);
});
