import type { z } from 'zod';
import { InvalidInputError } from '../model/error.ts';

/** Parses the text of an option. @throws InvalidInputError naming the option and what would be right */
export function parseOption<S extends z.ZodType>(
  flag: string,
  schema: S,
  text: string,
): z.infer<S> {
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  throw new InvalidInputError(
    `${flag} ${JSON.stringify(text.slice(0, 100))}: ${result.error.issues[0]?.message ?? 'not valid'}`,
    { option: flag },
  );
}
