import { writeFile } from 'node:fs/promises';
import type { OperatorClient } from '../../api/client/operator-client.ts';
import type { MemberView } from '../../api/member-endpoints.ts';
import { decidePlacement, type PlacementDecision } from '../../core/placement/decide.ts';
import { renderPlacementMap } from '../../core/placement/map.ts';
import type { PlacementPolicy } from '../../core/placement/policy.ts';
import { type AsPathLength, asPathLengths } from '../../core/placement/system-paths.ts';
import { type ByName, withheldFrom } from '../../core/placement/withheld.ts';
import { readSystemGraph } from '../../master/place/as-links.ts';
import { describeError, InvalidInputError } from '../../model/error.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { findMember } from '../member-reference.ts';
import { mergeSightings, sightingsOf } from '../member-sightings.ts';
import { asOperator } from '../operator-session.ts';
import { writeJson } from '../output/json.ts';
import { listNames } from '../output/name-list.ts';
import { formatBackups, formatSubsetBackups } from '../output/placement-backups.ts';
import { formatExplanation } from '../output/placement-explanation.ts';
import { formatPlan, type PlannedSupposition } from '../output/placement-plan.ts';
import { planBackupsOf } from '../placement-backups.ts';
import { memberFactsOf, worldOf } from '../placement-facts.ts';
import { mapPlacement } from '../placement-map.ts';
import { type PlacementOutlook, planMoves } from '../placement-plan.ts';
import { countMembers, surveyPlacement } from '../placement-survey.ts';
import {
  type Supposition,
  supposeDirectory,
  unmeasuredMasters,
  type WhatIf,
} from '../placement-what-if.ts';
import { readPolicyFile, readStoredPolicy } from '../stored-policy.ts';
import { subsetsToList } from '../subset-lookup.ts';
import type { Terminal } from '../terminal.ts';

export interface PolicyOptions extends OperatorOptions {
  /** The file of one to use in the place of the stored one. */
  readonly policy?: string;
}

/** Of commands that score masters. */
export interface ScoringOptions extends PolicyOptions {
  readonly asLinks?: string;
}

export interface PlanOptions extends ScoringOptions, ListingOptions, WhatIf {}

export interface MapOptions extends PolicyOptions {
  readonly output?: string;
}

/** Runs a task as the operator, by the policy of the file, or the stored one; files are read first. */
export async function withPolicy<Result>(
  options: ScoringOptions,
  signal: AbortSignal,
  task: (
    client: OperatorClient,
    policy: PlacementPolicy,
    asPathLength: AsPathLength | undefined,
  ) => Promise<Result>,
): Promise<Result> {
  const { asLinks } = options;
  const file = options.policy === undefined ? undefined : await readPolicyFile(options.policy);
  const graph = asLinks === undefined ? undefined : await readSystemGraph(asLinks);
  return asOperator(options, async (client) => {
    const policy = file?.policy ?? (await readStoredPolicy(client, signal));
    return task(client, policy, graph && asPathLengths(graph, policy));
  });
}

/** Where one member should be, and why; others stay where they are. */
export async function explainPlacementAction(
  reference: string,
  options: ScoringOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return withPolicy(options, signal, async (client, policy, asPathLength) => {
    const found = await findMember(client, reference, signal);
    const seen = mergeSightings(found, await sightingsOf(client, found, signal));
    const directory = await client.directory(signal);
    const limited = directory.subsets.filter(({ acting }) =>
      Object.hasOwn(policy.capacities, acting),
    );
    const world = worldOf(directory, await countMembers(client, limited, signal));
    const member = memberFactsOf(seen, asPathLength);
    const decision = decidePlacement({ member, world }, policy);
    const withheld = withheldFrom(member, policy);
    if (options.json) writeJson(terminal.out, explanationDocument(seen, decision, withheld));
    else terminal.out.write(formatExplanation(seen, decision, withheld));
    return undefined;
  });
}

/** What a policy would move; nothing is moved. */
export async function planPlacementAction(
  options: PlanOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return withPolicy(options, signal, async (client, policy, asPathLength) => {
    // Before members are asked, which takes time: what cannot be supposed is refused.
    const supposed = supposeDirectory(await client.directory(signal), options);
    const { directory, members, missing } = await surveyPlacement(client, warnTo(terminal), signal);
    const present = planMoves(members, directory, policy, asPathLength);
    const outlook = isSupposed(options)
      ? planMoves(members, supposed.directory, policy, asPathLength)
      : present;
    const supposition = isSupposed(options) ? describeSupposition(supposed, present) : undefined;
    for (const master of unmeasuredMasters(supposed, members)) {
      terminal.err.write(
        `hanse: no member has measured ${master}, so nobody can be planned there\n`,
      );
    }
    if (options.json) writeJson(terminal.out, { ...outlook, ...supposition, missing });
    else terminal.out.write(formatPlan(outlook, supposition));
    return undefined;
  });
}

/** What backups a policy would give the subsets, or one of them; the operator changes them, with the root key. */
export async function planBackupsAction(
  only: string | undefined,
  options: ScoringOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return withPolicy(options, signal, async (client, policy, asPathLength) => {
    const survey = await surveyPlacement(client, warnTo(terminal), signal, only);
    const { directory, members, missing } = survey;
    const asked = subsetsToList(directory, only).filter(({ name }) => !missing.includes(name));
    const subsets = planBackupsOf(asked, members, directory, policy, asPathLength);
    if (options.json) writeJson(terminal.out, { subsets, missing });
    else if (only === undefined) terminal.out.write(formatBackups(subsets));
    else terminal.out.write(subsets.map(formatSubsetBackups).join(''));
    return undefined;
  });
}

/** A picture of masters and members as they are now. */
export async function mapPlacementAction(
  options: MapOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return withPolicy(options, signal, async (client, policy) => {
    const { directory, members } = await surveyPlacement(client, warnTo(terminal), signal);
    const { facts, nowhere } = mapPlacement(members, directory, policy);
    const picture = renderPlacementMap(facts);
    if (options.output === undefined) terminal.out.write(picture);
    else await writePicture(options.output, picture);
    if (nowhere.length > 0) {
      terminal.err.write(
        `hanse: not on the map, because nobody knows where they are: ${listNames(nowhere)}\n`,
      );
    }
    return undefined;
  });
}

const isSupposed = (whatIf: WhatIf): boolean => whatIf.without.length + whatIf.with.length > 0;

/** What was supposed, and what is planned without it. */
function describeSupposition(
  { takeovers, added }: Supposition,
  { moves, totals }: PlacementOutlook,
): PlannedSupposition {
  return { takeovers, added, present: { moves, totals } };
}

function explanationDocument(
  { name, subset, measured }: MemberView,
  decision: PlacementDecision,
  withheld: readonly ByName[],
): object {
  const { report, isAlert = false } = measured ?? {};
  return {
    member: `${name}.${subset}`,
    ...(report ? { measuredAgeMs: report.ageMs } : {}),
    isAlert,
    withheld,
    ...decision,
  };
}

/** @throws InvalidInputError */
async function writePicture(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new InvalidInputError(
      `--output ${path} cannot be written: ${describeError(cause)}`,
      { option: '--output' },
      cause,
    );
  }
}

export const warnTo =
  ({ err }: Terminal) =>
  ({ name, error }: { readonly name: string; readonly error: string }): void =>
    err.write(`hanse: what ${name} knows of members is missing: ${error}\n`);
