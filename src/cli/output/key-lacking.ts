import type { KeyAnswer } from '../key-polling.ts';
import { listNames } from './name-list.ts';
import { printable } from './table.ts';

/**
 * What a subset lacks until it has the key of all subsets: one line, or none.
 * @param leastEpoch of the key that is waited for
 */
export function describeLacking(answer: KeyAnswer, leastEpoch: number): readonly string[] {
  if (!('reply' in answer)) return [`${answer.name}: no answer: ${printable(answer.error)}`];
  const { subset, shared, epoch, pending } = answer.reply;
  if (!shared) return [`${subset} has a key of its own yet`];
  if (epoch < leastEpoch) return [`${subset} is at epoch ${epoch} yet, not at ${leastEpoch}`];
  const late = pending.filter(({ connected }) => connected).map(({ member }) => member);
  return late.length === 0 ? [] : [`${subset}: not confirmed yet: ${listNames(late)}`];
}
