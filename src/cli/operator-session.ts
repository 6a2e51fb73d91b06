import { createOperatorClient, type OperatorClient } from '../api/client/operator-client.ts';
import {
  type OperatorProfile,
  readOperatorProfile,
  updateKnownMasters,
} from '../api/client/operator-profile.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { OperatorOptions } from './common-options.ts';
import { findProfileDirectory } from './operator-profile-search.ts';

/**
 * Runs a task as the operator of the profile that applies. When the task has learnt the directory,
 * the profile remembers the masters in it, so that it works while any of them does.
 * @throws as `findProfileDirectory`, `readOperatorProfile` and the task
 */
export async function asOperator<Result>(
  options: OperatorOptions,
  task: (client: OperatorClient, profile: OperatorProfile) => Promise<Result>,
): Promise<Result> {
  const directory = await findProfileDirectory(options);
  const profile = await readOperatorProfile(directory);
  const client = createOperatorClient({ profile });
  const result = await task(client, profile);
  await rememberMasters(directory, profile, client);
  return result;
}

async function rememberMasters(
  directory: string,
  profile: OperatorProfile,
  client: OperatorClient,
): Promise<void> {
  const masters = client.knownDirectory?.masters;
  if (!masters || masters.length === 0) return;
  const known = new Set(profile.masters.map(({ name }) => name));
  const current = masters.map(({ name, control }) => ({ name, control: control as Endpoint }));
  // The operator may have put the nearest master first: those that it knows keep their order.
  const kept = profile.masters.flatMap(({ name }) => current.filter((one) => one.name === name));
  const added = current.filter(({ name }) => !known.has(name));
  await updateKnownMasters(directory, [...kept, ...added]).catch(() => {
    // The profile may be on a read-only medium; it only spares a later search.
  });
}
