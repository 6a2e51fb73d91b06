import { z } from 'zod';
import type { Family } from '../model/prefix.ts';
import { HostError } from './host-error.ts';

/** As rules call the header of each family (nft(8)). */
export const headers: Readonly<Record<Family, 'ip' | 'ip6'>> = { 4: 'ip', 6: 'ip6' };

/**
 * Reads an answer of `nft -j` (libnftables-json(5)).
 *
 * @param elementSchema of what is looked for, optional: there are other objects as well
 * @param command for the error
 * @throws HostError `unreadable-output`
 */
export function parseNftJson<S extends z.ZodType>(
  text: string,
  elementSchema: S,
  command: string,
): z.infer<S>[] {
  try {
    return z.object({ nftables: z.array(elementSchema) }).parse(JSON.parse(text)).nftables;
  } catch (cause) {
    throw new HostError(`the answer of ${command} has a form that is not known`, {
      code: 'unreadable-output',
      fields: { command },
      cause,
    });
  }
}
