import { createInterface } from 'node:readline/promises';
import { InvalidInputError } from '../model/error.ts';
import type { CommandContext } from './command-context.ts';

/**
 * Asks whoever sits at the terminal.
 * @throws InvalidInputError where nobody does
 */
export async function isConfirmed(
  question: string,
  { signal }: Pick<CommandContext, 'signal'>,
): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new InvalidInputError('nobody is there to be asked: give --yes to go on without');
  }
  using lines = createInterface({ input: process.stdin, output: process.stderr });
  return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `, { signal })).trim());
}
