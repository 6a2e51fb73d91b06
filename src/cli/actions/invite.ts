import type { OperatorClient } from '../../api/client/operator-client.ts';
import { createInvite, listInvites, revokeInvite } from '../../api/invite-endpoints.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { ExitCode } from '../exit-code.ts';
import { asOperator } from '../operator-session.ts';
import { formatDuration, formatRelative } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { listNames } from '../output/name-list.ts';
import { type Column, formatTable } from '../output/table.ts';
import {
  createPlaced,
  type InviteOfSubset,
  invitesOf,
  revokeEverywhere,
  type SubsetAway,
} from '../placed-invites.ts';
import { requireSubset } from '../subset-lookup.ts';
import type { Terminal } from '../terminal.ts';

export interface InviteListOptions extends OperatorOptions {
  readonly subset?: string;
}
export interface InviteCreateOptions extends OperatorOptions, ListingOptions {
  /** One makes an invite for it; with none or several placement decides. */
  readonly subset: readonly string[];
  readonly home?: string;
  readonly uses: number;
  readonly expires: number;
  readonly name?: string;
}

export function createInviteAction(
  options: InviteCreateOptions,
  context: CommandContext,
): Promise<undefined> {
  const [subset, ...others] = options.subset;
  return asOperator(options, (client) =>
    subset === undefined || others.length > 0 || options.home !== undefined
      ? inviteToSeveral(options, client, context)
      : inviteTo(subset, options, client, context),
  );
}

async function inviteTo(
  subset: string,
  options: InviteCreateOptions,
  client: OperatorClient,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { uses, expires: lifetimeMs, name } = options;
  const input = {
    params: { subset },
    body: { uses, lifetimeMs, ...(name === undefined ? {} : { memberName: name }) },
  };
  const invite = await client.call(createInvite, input, { signal });
  if (options.json) {
    writeJson(terminal.out, invite);
    return undefined;
  }
  terminal.err.write(
    `invite ${invite.id} lets ${describeGuests(options)} into ${subset} and ends in ${formatDuration(lifetimeMs)}\n`,
  );
  terminal.out.write(`${invite.token}\n`);
  return undefined;
}

async function inviteToSeveral(
  options: InviteCreateOptions,
  client: OperatorClient,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const { uses, expires: lifetimeMs, name } = options;
  const directory = await client.directory(signal);
  const named = [...new Set(options.subset)].map((subset) => requireSubset(directory, subset));
  const request = {
    ...{ uses, lifetimeMs, candidates: named.length > 0 ? named : directory.subsets },
    ...(name === undefined ? {} : { memberName: name }),
    ...(options.home === undefined ? {} : { home: requireSubset(directory, options.home) }),
  };
  const { token, ...invite } = await createPlaced(client, request, signal);
  for (const { name, error } of invite.leftOut) {
    terminal.err.write(`hanse: the invite does not lead to ${name}: ${error}\n`);
  }
  if (options.json) {
    writeJson(terminal.out, { ...invite, token });
    return undefined;
  }
  terminal.err.write(
    `invite ${invite.id} lets ${describeGuests(options)} into the best of ${listNames(invite.candidates)}; ${invite.home} places them; it ends in ${formatDuration(lifetimeMs)}\n`,
  );
  terminal.out.write(`${token}\n`);
  return undefined;
}

const describeGuests = ({ uses, name }: InviteCreateOptions): string =>
  name ?? (uses === 1 ? 'one member' : `${uses} members`);

export function listInvitesAction(
  options: InviteListOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const parts = await readInvites(options, client, { terminal, signal });
    // Of one that placement decides, its home knows all there is to know.
    const atHome = new Set(parts.flatMap(({ id, candidates }) => (candidates ? [id] : [])));
    const invites = parts.filter(
      ({ id, placedBy, candidates }) => !placedBy || candidates || !atHome.has(id),
    );
    if (options.json) writeJson(terminal.out, { invites });
    else terminal.out.write(formatTable(inviteColumns(Date.now()), invites));
    return undefined;
  });
}

/** Of one subset, or of all that answer. */
async function readInvites(
  options: InviteListOptions,
  client: OperatorClient,
  { terminal, signal }: Pick<CommandContext, 'terminal' | 'signal'>,
): Promise<readonly InviteOfSubset[]> {
  const directory = await client.directory(signal);
  if (options.subset === undefined) {
    return invitesOf(client, directory.subsets, warnTo(terminal), signal);
  }
  const { name: subset } = requireSubset(directory, options.subset);
  const { invites } = await client.call(listInvites, { params: { subset } }, { signal });
  return invites.map((invite) => ({ ...invite, subset }));
}

export function revokeInviteAction(
  id: string,
  options: InviteListOptions,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  return asOperator(options, async (client) => {
    if (options.subset !== undefined) {
      const input = { params: { subset: options.subset, id } };
      await client.call(revokeInvite, input, { signal });
      terminal.err.write(`invite ${id} is revoked\n`);
      return 0;
    }
    const { subsets } = await client.directory(signal);
    const away: SubsetAway[] = [];
    const all = await invitesOf(client, subsets, (subset) => away.push(subset), signal);
    const parts = all.filter((invite) => invite.id === id);
    for (const { name, error } of away) {
      terminal.err.write(`hanse: ${name} may have the invite, and does not answer: ${error}\n`);
    }
    if (parts.length === 0) throw noSuchInvite(id);
    const revoked = await revokeEverywhere(client, parts, signal);
    terminal.err.write(`invite ${id} is revoked in ${listNames(revoked)}\n`);
    return away.length === 0 ? 0 : 1;
  });
}

function inviteColumns(nowMs: number): readonly Column<InviteOfSubset>[] {
  return [
    { heading: 'ID', cell: ({ id }) => id },
    { heading: 'SUBSET', cell: describeSubsets },
    { heading: 'USED', cell: ({ used, uses }) => `${used} of ${uses}`, align: 'right' },
    { heading: 'ENDS', cell: ({ expiresAtMs }) => formatRelative(expiresAtMs, nowMs) },
    { heading: 'FOR', cell: ({ memberName }) => memberName ?? 'anybody' },
    { heading: 'BY', cell: ({ createdBy }) => createdBy },
  ];
}

function describeSubsets({ subset, placedBy, candidates }: InviteOfSubset): string {
  if (candidates) return `best of ${listNames(candidates)}`;
  return placedBy ? `${subset}, placed by ${placedBy}` : subset;
}

function noSuchInvite(invite: string): CliError {
  return new CliError(
    `no subset that answers has an invite ${invite}: "hanse invite list" shows all`,
    {
      code: 'no-such-invite',
      fields: { invite },
    },
  );
}

const warnTo =
  ({ err }: Terminal) =>
  ({ name, error }: SubsetAway): void =>
    err.write(`hanse: the invites of ${name} are missing: ${error}\n`);
