import type { OperatorClient } from '../api/client/operator-client.ts';
import { getKeyStatus, type KeyStatus } from '../api/key-endpoints.ts';
import type { SubsetName } from '../model/names.ts';
import { systemClock } from '../runtime/clock.ts';
import { Deadline } from '../runtime/deadline.ts';
import { type Answer, askEach } from './master-answers.ts';

/** What became of asking the master of one subset for its key. */
export type KeyAnswer = Answer<KeyStatus, SubsetName>;

export interface KeyPolling {
  readonly client: OperatorClient;
  readonly subsets: readonly SubsetName[];
  readonly signal: AbortSignal;
}

const pollEveryMs = 250;

/** Asks the masters of all the subsets at once. */
export function askKeys({ client, subsets, signal }: KeyPolling): Promise<readonly KeyAnswer[]> {
  return askEach(subsets, (subset) =>
    client.call(getKeyStatus, { params: { subset } }, { signal }),
  );
}

/**
 * Asks again and again, at least once.
 * @returns whether they were done before the time was over
 */
export async function pollKeys(
  polling: KeyPolling,
  waitMs: number,
  areDone: (answers: readonly KeyAnswer[]) => boolean,
): Promise<boolean> {
  const { signal } = polling;
  using deadline = new Deadline(Math.max(0, waitMs), signal);
  for (;;) {
    if (areDone(await askKeys(polling))) return true;
    signal.throwIfAborted();
    if (deadline.signal.aborted) return false;
    await systemClock.sleep(pollEveryMs, deadline.signal).catch(() => undefined);
  }
}

/** Whether all of them have one key, of that epoch at least, which all connected members have. */
export function haveOneKey(answers: readonly KeyAnswer[], leastEpoch: number): boolean {
  const statuses = answers.flatMap((answer) => ('reply' in answer ? [answer.reply] : []));
  const epochs = new Set(statuses.map(({ epoch }) => epoch));
  return (
    statuses.length === answers.length &&
    epochs.size <= 1 &&
    [...epochs].every((epoch) => epoch >= leastEpoch) &&
    statuses.every((status) => status.shared && status.pending.every(({ connected }) => !connected))
  );
}

/** Whether anybody has yet to confirm a key, connected or not. */
export function isAnyPending(answers: readonly KeyAnswer[]): boolean {
  return answers.some((answer) => 'reply' in answer && answer.reply.pending.length > 0);
}
