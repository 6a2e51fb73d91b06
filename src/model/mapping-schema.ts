import { z } from 'zod';

/** An object of what people write, with no keys but these; a wrong key is answered with the right ones. */
export function mappingSchema<Shape extends z.ZodRawShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `there is no such key; the keys are ${Object.keys(shape).join(', ')}`
        : undefined,
  });
}
