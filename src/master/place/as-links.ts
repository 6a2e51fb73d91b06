import { readFile, stat } from 'node:fs/promises';
import {
  SystemGraph,
  type SystemLink,
  type SystemRelation,
} from '../../core/placement/system-graph.ts';
import { InvalidInputError } from '../../model/error.ts';

/** Four times what there is. */
const mostBytes = 64 * 1024 * 1024;

const relations: Readonly<Record<string, SystemRelation>> = {
  '-1': 'provider',
  '0': 'peer',
  '1': 'sibling',
};

/**
 * Reads CAIDA's AS relationships, serial-1 or serial-2: lines of `SYSTEM|SYSTEM|RELATION`, with -1
 * where the first is a provider of the second, 0 for peers and 1 for siblings; `#` begins a comment.
 * @throws InvalidInputError when the file cannot be read or is too large; with the line that is something else
 */
export async function readAsLinks(path: string): Promise<readonly SystemLink[]> {
  const text = await readText(path);
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    return [parseLink(line, `${path}:${index + 1}`)];
  });
}

/** The systems of the file, linked. @throws as `readAsLinks` */
export async function readSystemGraph(path: string): Promise<SystemGraph> {
  return new SystemGraph(await readAsLinks(path));
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size <= mostBytes) return await readFile(path, 'utf8');
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read: ${message}`;
    throw new InvalidInputError(problem, { path }, cause);
  }
  throw new InvalidInputError(
    `${path} is larger than ${mostBytes} bytes: expected AS relationships, of which the whole Internet has some 15 MB`,
    { path },
  );
}

function parseLink(line: string, place: string): SystemLink {
  const [, one, other, code = ''] =
    /^(\d{1,10})\|(\d{1,10})\|(-1|0|1)(?:\|[a-z,]*)?\s*$/.exec(line) ?? [];
  const relation = relations[code];
  if (one === undefined || other === undefined || relation === undefined) {
    throw new InvalidInputError(
      `${place}: expected SYSTEM|SYSTEM|RELATION, such as 174|64500|-1 (-1: provider of, 0: peer of, 1: sibling of)`,
      { place },
    );
  }
  return { one: Number(one), other: Number(other), relation };
}
