import { setTimeout as delay } from 'node:timers/promises';
import { HanseError } from '../../../src/model/error.ts';

const retryMs = 50;

/** The master was killed before its answer arrived. */
export class LostAnswerError extends Error {}

/** Tries again for as long as a dead master or store may be the reason. @throws any other error */
export async function untilDone<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isOutage(error)) throw error;
      await delay(retryMs);
    }
  }
}

function isOutage(error: unknown): boolean {
  if (error instanceof LostAnswerError) return true;
  if (error instanceof HanseError) return error.retryable;
  return error instanceof Error && 'code' in error;
}
