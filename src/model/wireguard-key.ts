import { z } from 'zod';

/** 32 bytes in standard base64: 43 characters and one `=`; the last character carries 4 bits only. */
const wireguardKey = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const rule = 'a WireGuard key is 32 bytes in base64 (44 characters)';

/** A Curve25519 public key as `wg` prints it. */
export const wireguardPublicKeySchema = z
  .string()
  .regex(wireguardKey, rule)
  .brand<'WireguardPublicKey'>();
export type WireguardPublicKey = z.infer<typeof wireguardPublicKeySchema>;

/** Secret. Never logged, never in a command line. */
export const wireguardPrivateKeySchema = z
  .string()
  .regex(wireguardKey, rule)
  .brand<'WireguardPrivateKey'>();
export type WireguardPrivateKey = z.infer<typeof wireguardPrivateKeySchema>;

/** Secret. The symmetric key that WireGuard mixes into a handshake. */
export const presharedKeySchema = z.string().regex(wireguardKey, rule).brand<'PresharedKey'>();
export type PresharedKey = z.infer<typeof presharedKeySchema>;

/** Secret: 32 bytes in base64. Preshared keys of one epoch are derived from it (DESIGN §7). */
export const groupKeySchema = z.string().regex(wireguardKey, rule).brand<'GroupKey'>();
export type GroupKey = z.infer<typeof groupKeySchema>;

/** A version of a group key: 1, 2, 3, …; only ever grows. */
export const epochSchema = z.number().int().positive();
export type Epoch = z.infer<typeof epochSchema>;
