import type { Part } from '../part.ts';
import { changes } from './changes.ts';
import { isolation } from './isolation.ts';
import { planned } from './planned.ts';
import { stampede } from './stampede.ts';
import { traffic } from './traffic.ts';

/** In the order in which they run: short ones first. */
export const failoverParts: readonly Part[] = [isolation, planned, stampede, traffic, changes];
