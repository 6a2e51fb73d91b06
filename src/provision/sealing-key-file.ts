import { InvalidInputError } from '../model/error.ts';
import { readIfPresent } from '../runtime/durable-file.ts';
import { createSealingKey, parseSealingKey, type SealingKey } from '../trust/sealing.ts';
import { keepOrCreate } from './kept-file.ts';

/** @throws InvalidInputError when the file holds something else */
export async function keepOrCreateSealingKey(path: string): Promise<SealingKey> {
  return parseFile(path, await keepOrCreate(path, () => `${createSealingKey()}\n`));
}

/** @throws InvalidInputError when there is no such file, or it holds something else */
export async function readSealingKey(path: string): Promise<SealingKey> {
  const text = await readIfPresent(path);
  if (text !== undefined) return parseFile(path, text);
  throw new InvalidInputError(
    `the VPN's sealing key ${path} is missing: it was made with the VPN; copy it here from there`,
    { path },
  );
}

function parseFile(path: string, text: string): SealingKey {
  try {
    return parseSealingKey(text.trim());
  } catch (cause) {
    throw new InvalidInputError(`${path} is not a sealing key`, { path }, cause);
  }
}
