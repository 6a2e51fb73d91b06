import type { OperatorClient } from '../api/client/operator-client.ts';
import { getPlacementPolicy, type StoredPolicy } from '../api/placement-endpoints.ts';
import { type PlacementPolicy, placementPolicySchema } from '../core/placement/policy.ts';
import { InvalidInputError } from '../model/error.ts';
import { policyTextSchema } from '../model/records/directory.ts';
import { parseConfig } from '../runtime/config-text.ts';
import { readConfigText } from './config/config-file.ts';

export interface PolicyFile {
  readonly text: string;
  readonly policy: PlacementPolicy;
}

/** @throws InvalidInputError when there is no such file, it is too large, or no policy, with line and column */
export async function readPolicyFile(path: string): Promise<PolicyFile> {
  const text = await readConfigText(path);
  const { error } = policyTextSchema.safeParse(text);
  if (error) throw new InvalidInputError(`${path}: ${error.issues[0]?.message}`, { path });
  return { text, policy: parseConfig(text, path, placementPolicySchema) };
}

/** @throws InvalidInputError when this version cannot read it; as the client */
export async function readStoredPolicy(
  client: OperatorClient,
  signal: AbortSignal,
): Promise<PlacementPolicy> {
  return parseStoredPolicy(await client.call(getPlacementPolicy, {}, { signal }));
}

/** The defaults where none is stored. @throws InvalidInputError */
export function parseStoredPolicy({ policy }: StoredPolicy): PlacementPolicy {
  return parseConfig(policy?.text ?? '', 'the stored policy', placementPolicySchema);
}
