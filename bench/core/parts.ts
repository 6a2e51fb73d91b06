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
