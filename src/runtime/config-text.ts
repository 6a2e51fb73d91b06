import { type Document, isNode, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { InvalidInputError } from '../model/error.ts';

/**
 * Reads what people write: YAML 1.2, one mapping, no keys but the schema's.
 * @param path for messages only
 * @throws InvalidInputError that names the file, line, column, key and what would be right
 */
export function parseConfig<S extends z.ZodType>(
  text: string,
  path: string,
  schema: S,
): z.infer<S> {
  return readConfig(text, path, schema).value;
}

/** As `parseConfig`, with what is written, as JSON has it: the schema makes the same value of that. */
export function readConfig<S extends z.ZodType>(
  text: string,
  path: string,
  schema: S,
): { readonly value: z.infer<S>; readonly written: unknown } {
  const lines = new LineCounter();
  // The library compares each key with all before it: ten thousand take seconds.
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false };
  // No aliases and no merge keys: a configuration of ten keys has no use for them.
  const document = parseDocument(text, options);
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const [broken] = document.errors;
  if (broken) throw new InvalidInputError(`${place(broken.pos[0])}: ${broken.message}`, { path });
  const repeated = findRepeatedKey(document);
  if (repeated) {
    const { offset, key } = repeated;
    throw new InvalidInputError(`${place(offset)}: ${key} is there twice in one mapping`, { path });
  }
  const written = toPlain(document, path);
  const result = schema.safeParse(written);
  if (result.success) return { value: result.data, written };
  const { keys, problem } = explain(result.error.issues[0]);
  throw new InvalidInputError(
    `${place(offsetOf(document, keys))}: ${keys.join('.') || 'the file'}: ${problem}`,
    { path, key: keys.join('.') },
  );
}

function findRepeatedKey(
  document: Document,
): { readonly offset: number; readonly key: string } | undefined {
  let repeated: { readonly offset: number; readonly key: string } | undefined;
  visit(document, {
    Map(_, { items }) {
      const keys = new Set<string>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        const text = String(key.value);
        if (keys.has(text)) repeated = { offset: key.range?.[0] ?? 0, key: text };
        keys.add(text);
      }
      return repeated && visit.BREAK;
    },
  });
  return repeated;
}

function explain(issue: z.core.$ZodIssue | undefined): {
  readonly keys: readonly PropertyKey[];
  readonly problem: string | undefined;
} {
  const keys = issue?.path ?? [];
  if (issue?.code === 'unrecognized_keys') {
    return { keys: [...keys, ...issue.keys.slice(0, 1)], problem: issue.message };
  }
  // A name that is a key is told as any other that is wrong.
  const problem = issue?.code === 'invalid_key' ? issue.issues[0]?.message : issue?.message;
  return { keys, problem };
}

/** Of what the keys lead to, or of the innermost that is there: where something is missing. */
function offsetOf(document: Document, keys: readonly PropertyKey[]): number {
  for (let depth = keys.length; depth > 0; depth -= 1) {
    const node = document.getIn(keys.slice(0, depth), true);
    if (isNode(node)) return node.range?.[0] ?? 0;
  }
  return document.contents?.range?.[0] ?? 0;
}

/** An empty file is an empty mapping. */
function toPlain(document: Document, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 }) ?? {};
  } catch (cause) {
    throw new InvalidInputError(`${path}: aliases (*name) cannot be used here`, { path }, cause);
  }
}
