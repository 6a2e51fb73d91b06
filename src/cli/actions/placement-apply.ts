import type { CommandContext } from '../command-context.ts';
import type { ListingOptions } from '../common-options.ts';
import { isConfirmed } from '../confirmation.ts';
import type { ExitCode } from '../exit-code.ts';
import { writeJsonLine } from '../output/json.ts';
import { formatPlan, fullName } from '../output/placement-plan.ts';
import { type MadeMove, makeMoves } from '../placement-moves.ts';
import { planMoves } from '../placement-plan.ts';
import { surveyPlacement } from '../placement-survey.ts';
import { describeOutcome } from './move.ts';
import { type ScoringOptions, warnTo, withPolicy } from './placement.ts';

export interface ApplyOptions extends ScoringOptions, ListingOptions {
  /** Milliseconds. */
  readonly grace: number;
  /** Milliseconds. */
  readonly wait: number;
  readonly yes?: boolean;
}

/** Moves what a policy would move. Whatever was killed in the middle is gone on from by running it again. */
export async function applyPlacementAction(
  options: ApplyOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  return withPolicy(options, signal, async (client, policy, asPathLength) => {
    const { directory, members, missing } = await surveyPlacement(client, warnTo(terminal), signal);
    const outlook = planMoves(members, directory, policy, asPathLength);
    const { moves, totals } = outlook;
    if (options.json) writeJsonLine(terminal.out, { type: 'planned', ...outlook, missing });
    else terminal.out.write(formatPlan(outlook));
    const count = moves.length - totals.postponed;
    if (count === 0) return 0;
    const question = `move ${count} of ${totals.members} members in ${totals.minutes} min?`;
    if (!options.yes && !(await isConfirmed(question, context))) return 1;
    const onMove = (made: MadeMove) =>
      options.json
        ? writeJsonLine(terminal.out, { type: made.outcome.outcome, ...documentOf(made) })
        : terminal.out.write(describeMade(made));
    const waits = { graceMs: options.grace, waitMs: options.wait };
    const left = await makeMoves(moves, waits, { client, onMove }, signal);
    if (options.json) writeJsonLine(terminal.out, { type: 'finished', left });
    else if (left > 0) terminal.err.write(notDone(left));
    return left === 0 ? 0 : 1;
  });
}

function documentOf({ move: { member, to, minute }, outcome }: MadeMove): object {
  const { outcome: _, ...details } = outcome;
  return { member: fullName(member), to: to.subset, minute, ...details };
}

function describeMade({ move: { member, to }, outcome }: MadeMove): string {
  return `${fullName(member)}: ${describeOutcome(member, to.subset, outcome)}`;
}

function notDone(left: number): string {
  return `hanse: ${left} are not moved; \`hanse placement plan\` shows what is left, and this command goes on with it\n`;
}
