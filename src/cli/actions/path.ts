import { getMemberPaths, type MemberPaths } from '../../api/path-endpoints.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { findMember } from '../member-reference.ts';
import { mergeSightings, sightingsOf } from '../member-sightings.ts';
import { asOperator } from '../operator-session.ts';
import { formatDirectPaths } from '../output/direct-table.ts';
import { writeJson } from '../output/json.ts';

/** Which ways a member's packets take, as the member says now. */
export function showPathsAction(
  reference: string,
  options: OperatorOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const member = await findMember(client, reference, signal);
    const seen = mergeSightings(member, await sightingsOf(client, member, signal));
    const { subset, name, sessionWith: master = member.acting } = seen;
    const paths = await client.call(
      getMemberPaths,
      { params: { subset, name } },
      { master, signal },
    );
    if (options.json) writeJson(terminal.out, { member: `${name}.${subset}`, ...paths });
    else terminal.out.write(describe(`${name}.${subset}`, paths));
    return undefined;
  });
}

function describe(
  member: string,
  { master, takesDirectPaths, direct, isFresh }: MemberPaths,
): string {
  const rest = `everything else of ${member} goes through a master; its session is with ${master}`;
  if (!takesDirectPaths)
    return `${member} takes no direct paths: its software is too old\n${rest}\n`;
  const stale = isFresh ? '' : `${member} did not answer in time; this is what it said last:\n`;
  const table =
    direct.length === 0 ? `${member} has no direct path now\n` : formatDirectPaths(direct);
  return `${stale}${table}${rest}\n`;
}
