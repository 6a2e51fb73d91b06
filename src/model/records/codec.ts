import { z } from 'zod';
import { InvalidInputError } from '../error.ts';

/** Reads a stored record. @throws InvalidInputError naming the key and the field. */
export function decodeRecord<S extends z.ZodType>(
  schema: S,
  key: string,
  value: Uint8Array,
): z.infer<S> {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(value).toString('utf8'));
  } catch (cause) {
    throw new InvalidInputError(`the record ${key} is not JSON`, { key }, cause);
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new InvalidInputError(`the record ${key} is not valid: ${z.prettifyError(result.error)}`, {
    key,
  });
}

export function encodeRecord(record: object): Uint8Array {
  return Buffer.from(JSON.stringify(record), 'utf8');
}
