import {
  getPlacementPolicy,
  removePlacementPolicy,
  type StoredPolicy,
  setPlacementPolicy,
} from '../../api/placement-endpoints.ts';
import type { PlacementPolicy } from '../../core/placement/policy.ts';
import { policyDifferences } from '../../core/placement/policy-differences.ts';
import { InvalidInputError } from '../../model/error.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { asOperator } from '../operator-session.ts';
import { formatRelative } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { formatPolicyDifferences } from '../output/policy-differences.ts';
import { parseStoredPolicy, readPolicyFile } from '../stored-policy.ts';

/** What the operator says to have seen of the stored policy. */
export interface SeenPolicyOptions extends OperatorOptions, ListingOptions {
  readonly revision?: number;
  readonly force?: boolean;
}

/** Stores a policy for the VPN, in the place of one that the operator says to have seen. */
export async function setPolicyAction(
  path: string,
  options: SeenPolicyOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { text, policy } = await readPolicyFile(path);
  return asOperator(options, async (client) => {
    const stored = await client.call(getPlacementPolicy, {}, { signal });
    const isSame = stored.policy?.text === text;
    if (!isSame) {
      if (!options.json) terminal.err.write(describeChange(stored, policy));
      requireSeen(stored, options);
    }
    const query = { ifRevision: stored.revision };
    const reply = await client.call(setPlacementPolicy, { query, body: { text } }, { signal });
    if (options.json) writeJson(terminal.out, reply);
    else {
      const what = isSame ? 'is stored already' : 'is stored';
      terminal.err.write(`the policy ${what}: revision ${reply.revision}\n`);
    }
    return undefined;
  });
}

/** Removes the policy of the VPN, which the operator says to have seen: masters go by the defaults then. */
export function removePolicyAction(
  options: SeenPolicyOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const stored = await client.call(getPlacementPolicy, {}, { signal });
    if (stored.policy) {
      requireSeen(stored, options);
      const query = { ifRevision: stored.revision };
      await client.call(removePlacementPolicy, { query }, { signal });
    }
    if (options.json) writeJson(terminal.out, { removed: stored.revision });
    else if (stored.policy) terminal.err.write(`removed: ${describeStored(stored)}\n`);
    else terminal.err.write(`${nothingStored}\n`);
    return undefined;
  });
}

/** Prints the policy of the VPN as it was written. */
export function showPolicyAction(
  options: OperatorOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const stored = await client.call(getPlacementPolicy, {}, { signal });
    if (options.json) writeJson(terminal.out, stored);
    else {
      terminal.err.write(`hanse: ${describeStored(stored)}\n`);
      terminal.out.write(stored.policy?.text ?? '');
    }
    return undefined;
  });
}

/** Says whether a file is a policy; nobody is asked. */
export async function checkPolicyAction(
  path: string,
  { terminal }: CommandContext,
): Promise<undefined> {
  await readPolicyFile(path);
  terminal.err.write(`${path} is a placement policy\n`);
}

const nothingStored = 'no placement policy is stored: the defaults are used';

function describeStored({ revision, policy }: StoredPolicy): string {
  if (!policy) return nothingStored;
  return `revision ${revision}, by ${policy.changedBy}, ${formatRelative(policy.changedAtMs, Date.now())}`;
}

/** What the new policy changes in the one that is stored, or the defaults. */
function describeChange(stored: StoredPolicy, policy: PlacementPolicy): string {
  const head = stored.policy ? `stored: ${describeStored(stored)}\n` : '';
  try {
    const differences = policyDifferences(parseStoredPolicy(stored), policy);
    return `${head}${formatPolicyDifferences(differences)}`;
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    return `${head}what is stored cannot be compared with: ${error.message}\n`;
  }
}

/** @throws CliError `conflict` when one is stored that the operator has not said to have seen */
function requireSeen(stored: StoredPolicy, { revision, force }: SeenPolicyOptions): void {
  const seen = revision ?? 0;
  if (force || stored.revision === seen) return;
  const hint = stored.policy
    ? `read it with \`hanse placement policy show\`, then say --revision ${stored.revision}, or --force`
    : 'leave --revision out';
  throw new CliError(
    `there is another policy than you have seen (${describeStored(stored)}): ${hint}`,
    {
      code: 'conflict',
      fields: { revision: stored.revision },
    },
  );
}
