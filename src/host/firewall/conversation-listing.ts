import { isIP } from 'node:net';
import { z } from 'zod';
import type { Address } from '../../model/prefix.ts';
import { parseNftJson } from '../nft.ts';

/** Two members that exchange packets through us; which of them is `one` says nothing. */
export interface Conversation {
  readonly one: Address;
  readonly other: Address;
}

/** The kernel's form (inet_ntop) is canonical already: making it so anew took 10 µs for each. */
const addressSchema = z.custom<Address>((text) => typeof text === 'string' && isIP(text) !== 0);

const pairSchema = z.object({ concat: z.tuple([addressSchema, addressSchema]) });

const setSchema = z.object({
  set: z
    .object({
      // The longer form is for entries with a time.
      elem: z.array(z.union([z.object({ elem: z.object({ val: pairSchema }) }), pairSchema])),
    })
    .partial()
    .optional(),
});

/**
 * Reads what `nft -j list set` says of our sets.
 *
 * @returns each pair once, in whatever direction its packets went
 * @throws HostError `unreadable-output`
 */
export function collectConversations(listings: readonly string[]): readonly Conversation[] {
  const conversations = new Map<string, Conversation>();
  for (const [source, destination] of listings.flatMap(parsePairs)) {
    // A member that is on both ends needs no path.
    if (source === destination) continue;
    const [one, other] = source < destination ? [source, destination] : [destination, source];
    conversations.set(`${one} ${other}`, { one, other });
  }
  return [...conversations.values()];
}

function parsePairs(text: string): readonly (readonly [Address, Address])[] {
  return parseNftJson(text, setSchema, 'nft -j list set')
    .flatMap(({ set }) => set?.elem ?? [])
    .map((entry) => ('elem' in entry ? entry.elem.val : entry).concat);
}
