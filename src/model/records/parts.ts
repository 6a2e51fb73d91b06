import { z } from 'zod';

/* What records of several kinds are made of. Times are milliseconds since the Unix epoch. */

export const timeMs = z.number().int().nonnegative();
export const pem = z.string().startsWith('-----BEGIN CERTIFICATE-----').max(16_384);
/** Leaf first, then the intermediates; the root is never part of it. */
export const chainSchema = z.array(pem).min(1).max(3);
/** Text that only the holders of the sealing key can open (`trust/sealing`). */
export const sealed = z.string().max(8_192);
/** SHA-256 of a certificate's SubjectPublicKeyInfo, base64url: who somebody is, whatever the name. */
export const identityKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/)
  .brand<'IdentityKey'>();
export type IdentityKey = z.infer<typeof identityKeySchema>;
