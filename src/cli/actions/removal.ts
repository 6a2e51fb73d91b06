import type { OperatorClient } from '../../api/client/operator-client.ts';
import {
  type MemberView,
  type RemovalProgress,
  removeMember,
  unbanMember,
} from '../../api/endpoints.ts';
import { describeError, InvalidInputError } from '../../model/error.ts';
import { isInRoll } from '../../model/records/roll.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { followKey } from '../key-follower.ts';
import { findMember, parseFullReference } from '../member-reference.ts';
import { membersOf } from '../member-sightings.ts';
import { asOperator } from '../operator-session.ts';
import { writeJsonLine } from '../output/json.ts';
import { RemovalReport } from '../output/removal-report.ts';

export interface RemovalOptions extends OperatorOptions, ListingOptions {
  readonly wait: number;
}

/** Whom to remove, and from where. */
type Target = Pick<MemberView, 'name' | 'subset' | 'identityKey' | 'acting'>;

interface Removal {
  readonly client: OperatorClient;
  readonly kind: 'evict' | 'ban';
  readonly options: RemovalOptions;
  readonly context: CommandContext;
}

/** Evicts from one subset; bans from every subset that the member is in, and visits no other. */
export function removeAction(
  kind: 'evict' | 'ban',
  name: string,
  options: RemovalOptions,
  context: CommandContext,
): Promise<ExitCode> {
  return asOperator(options, async (client) => {
    const removal = { client, kind, options, context };
    const first = await findMember(client, name, context.signal);
    const outcome = await removeFrom(removal, first);
    if (kind === 'evict') return outcome.applied ? 0 : 1;
    const others = await banElsewhere(removal, first, outcome.alsoIn);
    return outcome.applied && others ? 0 : 1;
  });
}

export function unbanAction(
  name: string,
  options: OperatorOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const reference = parseFullReference(name);
    if (!reference) {
      throw new InvalidInputError(`say in which subset: write ${name}.SUBSET`, { name });
    }
    await client.call(unbanMember, { params: { ...reference } }, { signal });
    terminal.err.write(`${name} may join ${reference.subset} again, with a new invite\n`);
    return undefined;
  });
}

/** What a removal from one subset came to. */
interface Outcome {
  /** Whether every connected member of the subset has applied it. */
  readonly applied: boolean;
  readonly alsoIn: readonly string[];
}

async function removeFrom(removal: Removal, target: Target): Promise<Outcome> {
  const { client, kind, options, context } = removal;
  const report = new RemovalReport(context.terminal.out, { kind, ...target });
  const input = {
    params: { subset: target.subset, name: target.name },
    body: { kind, waitMs: options.wait },
  };
  let alsoIn: readonly string[] = [];
  const steps = client.stream(removeMember, input, { signal: context.signal });
  const outcome = await followKey<RemovalProgress>(steps, (progress) => {
    if (options.json) writeJsonLine(context.terminal.out, { subset: target.subset, ...progress });
    else report.add(progress);
    if (progress.type === 'removed') alsoIn = progress.alsoIn;
  });
  if (outcome === 'cut-off') {
    context.terminal.err.write(
      `hanse: the master stopped telling about ${target.name}.${target.subset}; ` +
        '`hanse key status` shows who has applied the new key\n',
    );
  }
  return { applied: outcome === 'applied', alsoIn };
}

/** Follows the member by its identity key through the subsets that it proved to be in. */
async function banElsewhere(
  removal: Removal,
  first: Target,
  alsoIn: readonly string[],
): Promise<boolean> {
  const visited = new Set([first.subset as string]);
  const pending = [...alsoIn];
  let applied = true;
  for (let subset = pending.shift(); subset !== undefined; subset = pending.shift()) {
    if (visited.has(subset)) continue;
    visited.add(subset);
    try {
      const outcome = await banIn(removal, subset, first);
      applied &&= outcome.applied;
      pending.push(...outcome.alsoIn);
    } catch (error) {
      if (removal.context.signal.aborted) throw error;
      // One subset out of reach must not keep the others from being told.
      removal.context.terminal.err.write(
        `hanse: ${first.name} is NOT banned from ${subset}: ${describeError(error)}\n`,
      );
      applied = false;
    }
  }
  return applied;
}

async function banIn(removal: Removal, subset: string, first: Target): Promise<Outcome> {
  const { client, context } = removal;
  let found: MemberView | undefined;
  for await (const member of membersOf(
    client,
    { subset, state: 'all' },
    { signal: context.signal },
  )) {
    if (member.identityKey !== first.identityKey) continue;
    found = member;
    if (isInRoll(member)) break;
  }
  if (found) return removeFrom(removal, found);
  context.terminal.err.write(`${first.name} is not in ${subset} any more\n`);
  return { applied: true, alsoIn: [] };
}
