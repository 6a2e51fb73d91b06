import type { z } from 'zod';
import { readIfPresent, removeDurably, writeDurably } from '../runtime/durable-file.ts';
import { MemberError } from './member-error.ts';

/** One JSON document on the disk, of a form that its schema (which includes a `version`) says. */
export class StateFile<S extends z.ZodType> {
  readonly path: string;
  readonly #schema: S;

  constructor(path: string, schema: S) {
    this.path = path;
    this.#schema = schema;
  }

  /** @throws MemberError `corrupt-state`, which names the file and the field, never its contents */
  async read(): Promise<z.infer<S> | undefined> {
    const text = await readIfPresent(this.path);
    if (text === undefined) return undefined;
    const result = this.#schema.safeParse(parseJson(text));
    if (result.success) return result.data;
    throw corruptState(this.path, firstProblem(result.error));
  }

  /** Resolves when the state is on the disk; a crash before leaves the old one, whole. */
  write(state: z.infer<S>): Promise<void> {
    return writeDurably(this.path, `${JSON.stringify(state)}\n`);
  }

  remove(): Promise<void> {
    return removeDurably(this.path);
  }
}

export function corruptState(file: string, problem: string): MemberError {
  return new MemberError(
    `${file} cannot be used: ${problem}. Restore it, or remove it and join again`,
    { code: 'corrupt-state', fields: { file } },
  );
}

/** Undefined for what is no JSON, which no schema of ours accepts. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message quotes the text, and the text holds keys.
    return undefined;
  }
}

function firstProblem(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue || issue.path.length === 0) return 'it is not a JSON document of the expected form';
  return `${issue.path.join('.')} is not valid`;
}
