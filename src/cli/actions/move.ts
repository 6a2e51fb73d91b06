import type { MemberView } from '../../api/member-endpoints.ts';
import type { MemberId } from '../../core/placement/score-table.ts';
import { InvalidInputError } from '../../model/error.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { followMove, type MoveOutcome, requestMove } from '../member-move.ts';
import { findMember } from '../member-reference.ts';
import { asOperator } from '../operator-session.ts';
import { formatRelative } from '../output/human-units.ts';
import { writeJsonLine } from '../output/json.ts';
import { requireSubset } from '../subset-lookup.ts';

export interface MoveOptions extends OperatorOptions, ListingOptions {
  readonly to: string;
  /** Milliseconds. */
  readonly grace: number;
  /** Milliseconds. */
  readonly wait: number;
}

/** Orders one member to move, and follows it. */
export function moveAction(
  reference: string,
  options: MoveOptions,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  return asOperator(options, async (client) => {
    const member = await findMember(client, reference, signal);
    const { name: to } = requireSubset(await client.directory(signal), options.to);
    requireElsewhere(member, to);
    const request = { member, to, graceMs: options.grace };
    await requestMove(client, request, signal);
    const step = { member: `${member.name}.${member.subset}`, to };
    if (options.json) writeJsonLine(terminal.out, { ...step, type: 'ordered' });
    else terminal.out.write(`${step.member} is to move to ${to}\n`);
    const outcome = await followMove(client, request, options.wait, signal);
    if (options.json) writeJsonLine(terminal.out, { ...step, type: outcome.outcome, ...outcome });
    else terminal.out.write(describeOutcome(member, to, outcome));
    return outcome.outcome === 'moved' ? 0 : 1;
  });
}

function requireElsewhere({ name, subset, movedTo, state }: MemberView, to: string): void {
  if (subset === to) throw new InvalidInputError(`${name} is in ${to} already`);
  if (movedTo && movedTo.subset !== to) {
    const now = `${name}.${movedTo.subset}`;
    throw new InvalidInputError(`${name}.${subset} is ${now} now: move that one`);
  }
  if (state === 'active' || movedTo) return;
  throw new InvalidInputError(`${name}.${subset} is ${state}: there is nobody to move`);
}

export function describeOutcome(
  { name, subset }: MemberId,
  to: string,
  outcome: MoveOutcome,
): string {
  if (outcome.outcome === 'moved') {
    const leaves = formatRelative(outcome.leavesAtMs, Date.now());
    return `it is ${name}.${to} now; its addresses in ${subset} end ${leaves}\n`;
  }
  if (outcome.outcome === 'not-moved') return `it stays ${name}.${subset}: ${outcome.reason}\n`;
  return outcome.isConnected
    ? `it has not moved yet; \`hanse member show ${name}.${subset}\` tells when it has\n`
    : `it is not connected, and moves when it comes within a day\n`;
}
