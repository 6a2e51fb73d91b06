import { readdir } from 'node:fs/promises';
import { isMap, parseDocument } from 'yaml';
import { InvalidInputError } from '../model/error.ts';
import { masterNameSchema } from '../model/names.ts';
import { readIfPresent, writeDurably } from '../runtime/durable-file.ts';
import type { DataDirectory } from './data-directory.ts';

/** What of a master's file depends on where it and its store are. */
export interface ConfigPlace {
  readonly dir?: string;
  readonly store?: string;
}

/**
 * A master's configuration with other places in it; comments and everything else stay.
 * @param path for the message only
 * @throws InvalidInputError when the text is not one YAML mapping
 */
export function movedConfigText(text: string, place: ConfigPlace, path: string): string {
  const document = parseDocument(text, { prettyErrors: false });
  const [fault] = document.errors;
  if (fault || !isMap(document.contents)) {
    const why = fault?.message ?? 'it is not a mapping';
    throw new InvalidInputError(`${path} is not a master's configuration: ${why}`, { path });
  }
  for (const [key, value] of Object.entries(place)) document.set(key, value);
  return document.toString();
}

/** A master's configuration, and what became of it. */
export interface ConfigMove {
  readonly path: string;
  /** False when it names another store than the one that is left. */
  readonly isMoved: boolean;
}

/**
 * Puts a store's new URL into the configuration of every master of this directory that names the
 * old one, or already the new one. Harmless when repeated.
 * @throws InvalidInputError when a file is not a configuration; the files before it are changed then
 */
export async function moveMasterConfigs(
  { masters, master }: DataDirectory,
  urls: { readonly from: string; readonly to: string },
): Promise<readonly ConfigMove[]> {
  const moves: ConfigMove[] = [];
  for (const entry of (await readdir(masters).catch(none)).sort()) {
    const name = masterNameSchema.safeParse(entry);
    if (!name.success) continue;
    const path = master(name.data).config;
    const text = await readIfPresent(path);
    if (text === undefined) continue;
    const current: unknown = parseDocument(text).get('store');
    const isMoved = current === urls.from || current === urls.to;
    if (isMoved && current !== urls.to) {
      await writeDurably(path, movedConfigText(text, { store: urls.to }, path));
    }
    moves.push({ path, isMoved });
  }
  return moves;
}

function none(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}
