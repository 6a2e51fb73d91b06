import type { MemberFacts } from './facts.ts';
import type { PlacementPolicy } from './policy.ts';

export type ByName = 'pin' | 'place';

/** What a policy has for a name and does not count for this member, whose own word the name is. */
export function withheldFrom(
  { name, namesItself }: Pick<MemberFacts, 'name' | 'namesItself'>,
  { pins, places }: Pick<PlacementPolicy, 'pins' | 'places'>,
): readonly ByName[] {
  if (!namesItself) return [];
  return [
    ...(Object.hasOwn(pins, name) ? (['pin'] as const) : []),
    ...(Object.hasOwn(places.members, name) ? (['place'] as const) : []),
  ];
}
