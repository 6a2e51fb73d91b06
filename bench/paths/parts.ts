import type { Part } from '../part.ts';
import { rotation } from './rotation.ts';

/** In the order in which they run. */
export const pathsParts: readonly Part[] = [rotation];
