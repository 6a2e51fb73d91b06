import type { OperatorClient } from '../../api/client/operator-client.ts';
import { confirmMember, confirmMembers } from '../../api/member-endpoints.ts';
import { InvalidInputError } from '../../model/error.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { findMember } from '../member-reference.ts';
import { asOperator } from '../operator-session.ts';
import { writeJson } from '../output/json.ts';
import { subsetsToList } from '../subset-lookup.ts';

export interface ConfirmOptions extends OperatorOptions, ListingOptions {
  readonly all?: boolean;
  readonly subset?: string;
}

/** Lets suspended members in again: those who are named, or all. */
export function confirmAction(
  members: readonly string[],
  options: ConfirmOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  requireClear(members, options);
  return asOperator(options, async (client) => {
    const confirmed: string[] = [];
    const confirming = options.all
      ? confirmAll(client, options.subset, signal)
      : confirmNamed(client, members, signal);
    for await (const reference of confirming) {
      confirmed.push(reference);
      if (!options.json) terminal.out.write(`${reference} is confirmed\n`);
    }
    if (options.json) writeJson(terminal.out, { confirmed });
    else if (confirmed.length === 0) terminal.err.write('nobody is suspended\n');
    return undefined;
  });
}

function requireClear(members: readonly string[], { all, subset }: ConfirmOptions): void {
  if (!all && members.length === 0) {
    throw new InvalidInputError(
      'say whom to confirm: NAME.SUBSET, or --all; `hanse member list --suspended` shows them',
    );
  }
  if (all && members.length > 0) throw new InvalidInputError('give either names or --all');
  if (!all && subset !== undefined) {
    throw new InvalidInputError('--subset goes with --all; a name has its subset behind a dot');
  }
}

async function* confirmAll(
  client: OperatorClient,
  only: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (const { name: subset } of subsetsToList(await client.directory(signal), only)) {
    const { members } = await client.call(confirmMembers, { params: { subset } }, { signal });
    for (const name of members) yield `${name}.${subset}`;
  }
}

async function* confirmNamed(
  client: OperatorClient,
  members: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<string> {
  for (const text of members) {
    const { name, subset } = await findMember(client, text, signal);
    await client.call(confirmMember, { params: { name, subset } }, { signal });
    yield `${name}.${subset}`;
  }
}
