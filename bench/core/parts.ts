import type { Part } from '../part.ts';
import { eviction } from './eviction.ts';
import { firstPing } from './first-ping.ts';
import { isolation } from './isolation.ts';
import { joins } from './joins.ts';
import { primitives } from './primitives.ts';
import { sessions } from './sessions.ts';
import { start } from './start.ts';
import { tcp } from './tcp.ts';

/** In the order in which they run. */
export const coreParts: readonly Part[] = [
  primitives,
  joins,
  sessions,
  eviction,
  isolation,
  start,
  firstPing,
  tcp,
];

/** @throws RangeError when there is none of this name */
export function findPart(name: string): Part {
  const part = coreParts.find((candidate) => candidate.name === name);
  if (part) return part;
  throw new RangeError(`there is no part ${name}`);
}
