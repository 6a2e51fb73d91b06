import type { MasterMessage, MemberMessage } from '../api/messages.ts';
import { HanseError } from '../model/error.ts';
import type { ControlContact } from '../trust/invite-token.ts';
import type { ControlConnection } from './control-connection.ts';
import { isRefusal } from './member-error.ts';
import { refusal } from './session.ts';

/**
 * Asks each master once, until one has answered.
 * @throws what the last refusal says that is for all of them; else, of several failures, one that time
 *   may heal; the signal's reason when it is aborted
 */
export async function askInTurn<Answer>(
  contacts: readonly ControlContact[],
  ask: (contact: ControlContact) => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  let failure: unknown;
  for (const contact of contacts) {
    try {
      return await ask(contact);
    } catch (error) {
      signal.throwIfAborted();
      // The roll has spoken: another master would read the same in it.
      if (isRefusal(error) && !isWorthRetrying(error)) throw error;
      if (failure === undefined || isWorthRetrying(error)) failure = error;
    }
  }
  throw failure;
}

/**
 * Sends a message and waits for its answer. The connection is closed when that fails.
 * @throws MemberError `refused`, `session-lost`, `bad-message`
 */
export async function exchange(
  connection: ControlConnection,
  message: MemberMessage,
  signal: AbortSignal,
): Promise<Exclude<MasterMessage, { type: 'refused' }>> {
  const close = () => void connection[Symbol.asyncDispose]();
  signal.addEventListener('abort', close, { once: true });
  try {
    connection.send(message);
    const answer = await connection.receiveOne();
    if (answer.type === 'refused') throw refusal(answer);
    return answer;
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener('abort', close);
  }
}

export function isWorthRetrying(error: unknown): boolean {
  return error instanceof HanseError && error.retryable;
}
