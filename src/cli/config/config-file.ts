import { readFile } from 'node:fs/promises';
import { isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { InvalidInputError } from '../../model/error.ts';

/**
 * Reads a daemon's configuration: YAML 1.2, one mapping, no keys but the schema's.
 * @throws InvalidInputError that names the file, line, column, key and what would be right
 */
export async function readConfigFile<S extends z.ZodType>(
  path: string,
  schema: S,
): Promise<z.infer<S>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    if (!missing) throw cause;
    throw new InvalidInputError(`there is no configuration file ${path}`, { path }, cause);
  }
  return parseConfig(text, path, schema);
}

/** As `readConfigFile`, for text that is there already. @param path for messages only */
export function parseConfig<S extends z.ZodType>(
  text: string,
  path: string,
  schema: S,
): z.infer<S> {
  const lines = new LineCounter();
  // No aliases and no merge keys: a configuration of ten keys has no use for them.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const [broken] = document.errors;
  if (broken) throw new InvalidInputError(`${place(broken.pos[0])}: ${broken.message}`, { path });
  const result = schema.safeParse(toPlain(document, path));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const keys = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])];
  const node = document.getIn(keys, true) ?? document.contents;
  const offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  const problem =
    unknown === undefined ? issue?.message : `there is no such key; the keys are ${keysOf(schema)}`;
  throw new InvalidInputError(`${place(offset)}: ${keys.join('.') || 'the file'}: ${problem}`, {
    path,
    key: keys.join('.'),
  });
}

/** An empty file is an empty mapping. */
function toPlain(document: ReturnType<typeof parseDocument>, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch (cause) {
    throw new InvalidInputError(`${path}: aliases (*name) cannot be used here`, { path }, cause);
  }
}

function keysOf(schema: z.ZodType): string {
  const shape = 'shape' in schema ? (schema.shape as object) : {};
  return Object.keys(shape).join(', ');
}
