import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { InvalidInputError } from '../../model/error.ts';
import { parseConfig } from '../../runtime/config-text.ts';

/**
 * Reads a daemon's configuration; see `parseConfig`.
 * @throws InvalidInputError when there is no such file, and as `parseConfig`
 */
export async function readConfigFile<S extends z.ZodType>(
  path: string,
  schema: S,
): Promise<z.infer<S>> {
  return parseConfig(await readConfigText(path), path, schema);
}

/** @throws InvalidInputError when there is no such file */
export async function readConfigText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    if (!missing) throw cause;
    throw new InvalidInputError(`there is no configuration file ${path}`, { path }, cause);
  }
}
