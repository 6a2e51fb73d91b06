import type { Part } from '../part.ts';
import { conversations } from './conversations.ts';
import { direct } from './direct.ts';
import { nats } from './nats.ts';
import { noting } from './noting.ts';
import { relay } from './relay.ts';
import { rotation } from './rotation.ts';
import { throughput } from './throughput.ts';

/** In the order in which they run. */
export const pathsParts: readonly Part[] = [
  rotation,
  direct,
  throughput,
  nats,
  conversations,
  noting,
  relay,
];
