import type { MasterMessage } from '../../../src/api/messages.ts';
import type { Endpoint } from '../../../src/model/endpoint.ts';
import type { AcknowledgedJoin } from '../load/membership-load.ts';
import { LostAnswerError, untilDone } from '../load/until-done.ts';
import { SessionNode } from '../session-client.ts';
import { until } from '../until.ts';

/** Joins over a session of its own, again and again, until the master has answered. */
export async function joinBySession(
  endpoint: Endpoint,
  name: string,
  token: string,
): Promise<AcknowledgedJoin> {
  const node = new SessionNode(name);
  return untilDone(async () => {
    await using session = await node.askToJoin(endpoint, token);
    const answer: MasterMessage = await until('an answer', () => {
      if (session.closed && session.messages.length === 0) throw new LostAnswerError();
      return session.messages[0];
    });
    if (answer.type === 'admitted') return answer.place;
    throw answer.type === 'refused' && answer.retryable
      ? new LostAnswerError()
      : new Error(`${name} was answered ${JSON.stringify(answer)}`);
  });
}
