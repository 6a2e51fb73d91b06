import type { Address } from '../../src/model/prefix.ts';
import type { Talk } from './conversation-entries.ts';

export const conversationsOfEach = 10;

/** Everybody with the next ones of a ring, so that each has as many. */
export function talkRing(addresses: readonly Address[]): readonly Talk[] {
  return addresses.flatMap((one, index) =>
    Array.from({ length: conversationsOfEach / 2 }, (_, ahead): Talk => {
      const other = addresses[(index + ahead + 1) % addresses.length];
      if (other === undefined) throw new Error('there are no members');
      return [one, other];
    }),
  );
}
