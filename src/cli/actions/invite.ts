import { createInvite, type InviteView, listInvites, revokeInvite } from '../../api/endpoints.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { asOperator } from '../operator-session.ts';
import { formatDuration, formatRelative } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatTable } from '../output/table.ts';

export interface InviteOptions extends OperatorOptions {
  readonly subset: string;
}
export interface InviteCreateOptions extends InviteOptions, ListingOptions {
  readonly uses: number;
  readonly expires: number;
  readonly name?: string;
}

export function createInviteAction(
  options: InviteCreateOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const { subset, uses, expires: lifetimeMs, name } = options;
    const input = {
      params: { subset },
      body: { uses, lifetimeMs, ...(name === undefined ? {} : { memberName: name }) },
    };
    const invite = await client.call(createInvite, input, { signal });
    if (options.json) {
      writeJson(terminal.out, invite);
      return undefined;
    }
    const who = name ?? (uses === 1 ? 'one member' : `${uses} members`);
    terminal.err.write(
      `invite ${invite.id} lets ${who} into ${subset} and ends in ${formatDuration(lifetimeMs)}\n`,
    );
    terminal.out.write(`${invite.token}\n`);
    return undefined;
  });
}

export function listInvitesAction(
  options: InviteOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const reply = await client.call(
      listInvites,
      { params: { subset: options.subset } },
      { signal },
    );
    if (options.json) writeJson(terminal.out, reply);
    else terminal.out.write(formatTable(inviteColumns(Date.now()), reply.invites));
    return undefined;
  });
}

export function revokeInviteAction(
  id: string,
  options: InviteOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    await client.call(revokeInvite, { params: { subset: options.subset, id } }, { signal });
    terminal.err.write(`invite ${id} is revoked\n`);
    return undefined;
  });
}

function inviteColumns(nowMs: number): readonly Column<InviteView>[] {
  return [
    { heading: 'ID', cell: ({ id }) => id },
    { heading: 'USED', cell: ({ used, uses }) => `${used} of ${uses}`, align: 'right' },
    { heading: 'ENDS', cell: ({ expiresAtMs }) => formatRelative(expiresAtMs, nowMs) },
    { heading: 'FOR', cell: ({ memberName }) => memberName ?? 'anybody' },
    { heading: 'BY', cell: ({ createdBy }) => createdBy },
  ];
}
