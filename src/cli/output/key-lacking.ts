import type { KeyAnswer } from '../key-polling.ts';
import { listNames } from './name-list.ts';
import { printable } from './table.ts';

/** What a subset lacks until it has the key of all subsets: one line, or none. */
export function describeLacking(answer: KeyAnswer): readonly string[] {
  if (!('reply' in answer)) return [`${answer.name}: no answer: ${printable(answer.error)}`];
  const { subset, shared, pending } = answer.reply;
  if (!shared) return [`${subset} has a key of its own yet`];
  const late = pending.filter(({ connected }) => connected).map(({ member }) => member);
  return late.length === 0 ? [] : [`${subset}: not confirmed yet: ${listNames(late)}`];
}
