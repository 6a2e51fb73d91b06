import { ClientError } from '../api/client/client-error.ts';
import type { OperatorClient } from '../api/client/operator-client.ts';
import { getStatus, type MasterStatus } from '../api/status-endpoints.ts';
import { describeError, HanseError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';

/** What one master said, or why it did not; the name is its own or that of the subset that it acts for. */
export type Answer<Reply, Name extends string = MasterName> =
  | { readonly name: Name; readonly reply: Reply }
  | { readonly name: Name; readonly error: string };

/**
 * Asks several masters the same at once, each one itself. One that is away does not spoil the
 * others' answers. @throws what is no outage, such as credentials that all of them refuse
 */
export function askEach<Reply, Name extends string = MasterName>(
  names: readonly Name[],
  ask: (name: Name) => Promise<Reply>,
): Promise<readonly Answer<Reply, Name>[]> {
  return Promise.all(
    names.map(async (name) => {
      try {
        return { name, reply: await ask(name) };
      } catch (error) {
        if (!(error instanceof HanseError) || !isOutage(error)) throw error;
        return { name, error: describeError(error) };
      }
    }),
  );
}

/** How each of the masters is doing. */
export function askStatuses(
  client: OperatorClient,
  names: readonly MasterName[],
  signal: AbortSignal,
): Promise<readonly Answer<MasterStatus>[]> {
  return askEach(names, (master) => client.call(getStatus, {}, { master, signal }));
}

function isOutage(error: HanseError): boolean {
  return error.retryable || (error instanceof ClientError && error.code === 'untrusted-master');
}
