import type { OperatorClient } from '../../api/client/operator-client.ts';
import type { DirectoryView } from '../../api/directory-endpoints.ts';
import { changeKeying, type KeyStatus, rotateKey } from '../../api/key-endpoints.ts';
import { explainRefusal, mastersToRenew, pickUnbound } from '../../core/unbound-masters.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import {
  type KeyingMode,
  type KeyingPhase,
  keyingModeSchema,
} from '../../model/records/directory.ts';
import { systemClock } from '../../runtime/clock.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { askKeys, haveOneKey, type KeyAnswer, pollKeys } from '../key-polling.ts';
import { asOperator } from '../operator-session.ts';
import { KeyingReport } from '../output/keying-report.ts';

export interface KeyingOptions extends OperatorOptions, ListingOptions {
  readonly wait: number;
  readonly now?: boolean;
}

interface Change {
  readonly client: OperatorClient;
  readonly report: KeyingReport;
  readonly options: KeyingOptions;
  readonly signal: AbortSignal;
}

/** What all subsets are waited for to have done. */
interface Goal {
  readonly wanted: KeyingMode;
  readonly leastEpoch: number;
}

/**
 * Members that talk have found each other by then, also those of whom the first handshake was lost:
 * WireGuard makes the next one after 5 s (whitepaper §6.4).
 */
const sealingMs = 7_000;

/** Takes the VPN to the mode, from wherever it is; each step when every connected member has gone the one before. */
export function changeKeyingAction(
  mode: string,
  options: KeyingOptions,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  const wanted = keyingModeSchema.parse(mode);
  return asOperator(options, async (client) => {
    const directory = await client.directory(signal);
    const report = new KeyingReport(terminal, options.json === true);
    const change = { client, report, options, signal };
    const isThere = await goTo(wanted, directory, change);
    report.finish(directory.vpn.name, wanted, isThere);
    return isThere ? 0 : 1;
  });
}

/** @returns whether the VPN is there */
async function goTo(
  wanted: KeyingMode,
  { vpn, subsets }: DirectoryView,
  change: Change,
): Promise<boolean> {
  if (vpn.keying === wanted) return true;
  const names = subsets.map(({ name }) => name);
  if (wanted === 'shared') requireBound(await askKeys({ ...change, subsets: names }));
  if (vpn.keying !== 'changing') await step('changing', change);
  // Who has a key that is newer than this step has taken the step. There was none of all subsets before the first.
  const newEpoch = vpn.keying === 'per-subset' ? 1 : await renewSharedKey(names, change);
  const isFollowed = await untilFollowed(names, { wanted, leastEpoch: newEpoch }, change);
  if (!isFollowed && !change.options.now) return false;
  if (wanted === 'shared') await systemClock.sleep(sealingMs, change.signal);
  await step(wanted, change);
  return true;
}

async function step(phase: KeyingPhase, { client, report, signal }: Change): Promise<void> {
  await client.call(changeKeying, { body: { phase } }, { signal });
  report.step(phase);
}

/** A rotation in one subset is one in all. @returns its epoch */
async function renewSharedKey(
  [subset]: readonly SubsetName[],
  { client, signal }: Change,
): Promise<number> {
  if (subset === undefined) return 1;
  const input = { params: { subset }, body: { waitMs: 0 } };
  for await (const progress of client.stream(rotateKey, input, { signal })) {
    if (progress.type === 'rotated') return progress.epoch;
  }
  return 1;
}

/**
 * Members must be able to prove their addresses where no master is believed about them.
 * The masters refuse the step themselves as well; a VPN that is half-way would first be waited for.
 * @throws CliError `unbound-masters`. A subset that gives no answer is waited for later
 */
function requireBound(answers: readonly KeyAnswer[]): void {
  const unbound = pickUnbound(
    answers.map((answer) => ({
      subset: answer.name,
      masters: 'reply' in answer ? unboundMastersOf(answer.reply) : [],
    })),
  );
  if (unbound.length === 0) return;
  throw new CliError(explainRefusal(unbound), {
    code: 'unbound-masters',
    fields: { masters: mastersToRenew(unbound) },
  });
}

/** @returns whether all subsets are where the last step may be made, before the time is over */
function untilFollowed(
  subsets: readonly SubsetName[],
  goal: Goal,
  change: Change,
): Promise<boolean> {
  const { report, options } = change;
  return pollKeys({ ...change, subsets }, options.wait, (answers) => {
    report.waiting(answers, goal.wanted, goal.leastEpoch);
    return haveFollowed(answers, goal);
  });
}

/** Whether all have the key, and can prove their addresses where they have to. */
function haveFollowed(answers: readonly KeyAnswer[], { wanted, leastEpoch }: Goal): boolean {
  const statuses = answers.flatMap((answer) => ('reply' in answer ? [answer.reply] : []));
  return haveOneKey(answers, leastEpoch) && (wanted !== 'shared' || statuses.every(isProved));
}

function isProved(status: KeyStatus): boolean {
  return unboundMastersOf(status).length === 0 && (status.unprovedMembers ?? []).length === 0;
}

function unboundMastersOf({ master, unboundMasters = [master] }: KeyStatus): readonly MasterName[] {
  return unboundMasters;
}
