import type { OperatorClient } from '../../api/client/operator-client.ts';
import { absentMs } from '../../api/key-progress.ts';
import {
  type MemberView,
  type RemovalProgress,
  removeMember,
  unbanMember,
} from '../../api/member-endpoints.ts';
import { describeError, InvalidInputError } from '../../model/error.ts';
import { isInRoll } from '../../model/records/roll.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { followKey } from '../key-follower.ts';
import { haveOneKey, isAnyPending, type KeyPolling, pollKeys } from '../key-polling.ts';
import { findMember, parseFullReference } from '../member-reference.ts';
import { membersOf } from '../member-sightings.ts';
import { asOperator } from '../operator-session.ts';
import { writeJsonLine } from '../output/json.ts';
import { describeLacking } from '../output/key-lacking.ts';
import { RemovalReport, writeElsewhere } from '../output/removal-report.ts';

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

/**
 * Evicts from one subset; bans from every subset that the member is in, and visits no other. Only where all
 * subsets have one key, which changes with it, others are looked at.
 */
export function removeAction(
  kind: 'evict' | 'ban',
  name: string,
  options: RemovalOptions,
  context: CommandContext,
): Promise<ExitCode> {
  return asOperator(options, async (client) => {
    const removal = { client, kind, options, context };
    const { vpn, subsets } = await client.directory(context.signal);
    const first = await findMember(client, name, context.signal);
    const startedMs = performance.now();
    let outcome = await removeFrom(removal, first);
    if (kind === 'ban') outcome = await banElsewhere(removal, first, outcome);
    if (vpn.keying === 'per-subset' || subsets.length === 1) return outcome.applied ? 0 : 1;
    const polling = { client, subsets: subsets.map((each) => each.name), signal: context.signal };
    const waitMs = options.wait - (performance.now() - startedMs);
    const isEverywhere = await followElsewhere(polling, { ...outcome, waitMs }, removal);
    return outcome.applied && isEverywhere ? 0 : 1;
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

/** What a removal came to, from one subset or from several. */
interface Outcome {
  /** Whether every connected member of the subset has applied it. */
  readonly applied: boolean;
  /** Of the key that was made for it; 0 for none. */
  readonly epoch: number;
  readonly alsoIn: readonly string[];
}

/** Members of the other subsets who hold a tunnel to the member drop it before they confirm the key. */
async function followElsewhere(
  polling: KeyPolling,
  { epoch, waitMs }: { readonly epoch: number; readonly waitMs: number },
  { options, context: { terminal } }: Removal,
): Promise<boolean> {
  let lacking: readonly string[] = [];
  let isEverywhere = false;
  let sinceMs = performance.now();
  await pollKeys(polling, waitMs, (answers) => {
    lacking = answers.flatMap((answer) => describeLacking(answer, epoch));
    isEverywhere = haveOneKey(answers, epoch);
    if (!isEverywhere) sinceMs = performance.now();
    return isEverywhere && (!isAnyPending(answers) || performance.now() - sinceMs >= absentMs);
  });
  const step = { type: 'elsewhere', applied: isEverywhere, lacking } as const;
  if (options.json) writeJsonLine(terminal.out, step);
  else writeElsewhere(terminal.out, step);
  return isEverywhere;
}

async function removeFrom(removal: Removal, target: Target): Promise<Outcome> {
  const { client, kind, options, context } = removal;
  const report = new RemovalReport(context.terminal.out, { kind, ...target });
  const input = {
    params: { subset: target.subset, name: target.name },
    body: { kind, waitMs: options.wait },
  };
  let removed: Pick<Outcome, 'alsoIn' | 'epoch'> = { alsoIn: [], epoch: 0 };
  const steps = client.stream(removeMember, input, { signal: context.signal });
  const outcome = await followKey<RemovalProgress>(steps, (progress) => {
    if (options.json) writeJsonLine(context.terminal.out, { subset: target.subset, ...progress });
    else report.add(progress);
    if (progress.type === 'removed') removed = progress;
  });
  if (outcome === 'cut-off') {
    context.terminal.err.write(
      `hanse: the master stopped telling about ${target.name}.${target.subset}; ` +
        '`hanse key status` shows who has applied the new key\n',
    );
  }
  const { alsoIn, epoch } = removed;
  return { applied: outcome === 'applied', alsoIn, epoch };
}

/** Follows the member by its identity key through the subsets that it proved to be in. */
async function banElsewhere(
  removal: Removal,
  first: Target,
  { applied: isAppliedThere, epoch: firstEpoch, alsoIn }: Outcome,
): Promise<Outcome> {
  const visited = new Set([first.subset as string]);
  const pending = [...alsoIn];
  let applied = isAppliedThere;
  let epoch = firstEpoch;
  for (let subset = pending.shift(); subset !== undefined; subset = pending.shift()) {
    if (visited.has(subset)) continue;
    visited.add(subset);
    try {
      const outcome = await banIn(removal, subset, first);
      applied &&= outcome.applied;
      epoch = Math.max(epoch, outcome.epoch);
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
  return { applied, epoch, alsoIn };
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
  return { applied: true, epoch: 0, alsoIn: [] };
}
