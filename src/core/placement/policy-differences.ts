import { compareNames } from './compare-names.ts';
import type { PlacementPolicy } from './policy.ts';

/** One key of a policy that two policies have different values for; undefined where it is not there. */
export interface PolicyDifference {
  /** As in a message about a file: `criteria.latencyMs.atMost`. */
  readonly key: string;
  /** In JSON. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** What has another value, defaults and all, in the order of keys. Lists are compared whole. */
export function policyDifferences(
  before: PlacementPolicy,
  after: PlacementPolicy,
): readonly PolicyDifference[] {
  const [was, is] = [new Map(leavesOf(before)), new Map(leavesOf(after))];
  return [...new Set([...was.keys(), ...is.keys()])]
    .map((key) => ({ key, before: was.get(key), after: is.get(key) }))
    .filter((difference) => difference.before !== difference.after)
    .sort((one, other) => compareNames(one.key, other.key));
}

/** What has no keys of its own, each with the way to it. */
function leavesOf(value: unknown, keys: readonly string[] = []): readonly [string, string][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, part]) => leavesOf(part, [...keys, key]));
  }
  return value === undefined ? [] : [[keys.join('.'), JSON.stringify(value)]];
}
