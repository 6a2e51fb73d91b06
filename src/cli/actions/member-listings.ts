import type { OperatorClient } from '../../api/client/operator-client.ts';
import { listMembers, type MemberSelection, type MemberView } from '../../api/endpoints.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { findMember } from '../member-reference.ts';
import { asOperator } from '../operator-session.ts';
import { formatBytes, formatDuration, formatRelative, formatTime } from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { type Column, formatFields, formatTable } from '../output/table.ts';

export interface MemberListOptions extends OperatorOptions, ListingOptions {
  readonly subset?: string;
  readonly all?: boolean;
  readonly suspended?: boolean;
}

export function listMembersAction(
  options: MemberListOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const state = options.suspended ? 'suspended' : options.all ? 'all' : 'current';
    const members: MemberView[] = [];
    for (const subset of await subsetsToList(client, options.subset, signal)) {
      for await (const member of membersOf(client, { subset, state }, signal)) members.push(member);
    }
    if (options.json) writeJson(terminal.out, { members });
    else terminal.out.write(formatTable(memberColumns(Date.now()), members));
    return undefined;
  });
}

export function showMemberAction(
  name: string,
  options: OperatorOptions & ListingOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  return asOperator(options, async (client) => {
    const member = await findMember(client, name, signal);
    if (options.json) writeJson(terminal.out, member);
    else terminal.out.write(formatFields(memberFields(member, Date.now())));
    return undefined;
  });
}

/** A subset's roll, page by page, in the order of names. */
export async function* membersOf(
  client: OperatorClient,
  { subset, state }: { readonly subset: string; readonly state: MemberSelection },
  signal: AbortSignal,
): AsyncGenerator<MemberView, void> {
  let after: string | undefined;
  do {
    const query = { state, limit: 1_000, ...(after === undefined ? {} : { after }) };
    const page = await client.call(listMembers, { params: { subset }, query }, { signal });
    yield* page.members;
    after = page.next;
  } while (after !== undefined);
}

/** The one that is named, or all. */
export async function subsetsToList(
  client: OperatorClient,
  subset: string | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (subset !== undefined) return [subset];
  return (await client.directory(signal)).subsets.map(({ name }) => name);
}

function memberColumns(nowMs: number): readonly Column<MemberView>[] {
  return [
    { heading: 'MEMBER', cell: ({ name, subset }) => `${name}.${subset}` },
    { heading: 'STATE', cell: ({ state }) => state },
    { heading: 'IPV4', cell: ({ ipv4 }) => ipv4 },
    { heading: 'IPV6', cell: ({ ipv6 }) => ipv6 },
    { heading: 'CONNECTED', cell: ({ session }) => sinceWhen(session?.sinceMs, nowMs) },
    { heading: 'HANDSHAKE', cell: ({ tunnel }) => age(tunnel?.handshakeAgeMs) },
    {
      heading: 'RECEIVED',
      cell: ({ tunnel }) => (tunnel ? formatBytes(tunnel.receivedBytes) : '-'),
      align: 'right',
    },
    {
      heading: 'SENT',
      cell: ({ tunnel }) => (tunnel ? formatBytes(tunnel.sentBytes) : '-'),
      align: 'right',
    },
  ];
}

function memberFields(
  member: MemberView,
  nowMs: number,
): readonly (readonly [string, string | undefined])[] {
  const { session, tunnel } = member;
  return [
    ['member', `${member.name}.${member.subset}`],
    ['state', member.state],
    ['ipv4', member.ipv4],
    ['ipv6', member.ipv6],
    ['acting master', member.acting],
    ['backup masters', member.backups.join(', ') || 'none'],
    ['also in', member.alsoIn.join(', ') || undefined],
    ['joined', moment(member.joinedAtMs, nowMs)],
    ['certificate ends', moment(member.certificateEndsAtMs, nowMs)],
    ['ended', moment(member.endedAtMs, nowMs)],
    ['name free again', moment(member.reusableAtMs, nowMs)],
    ['identity key', member.identityKey],
    ['wireguard key', member.keys.acting],
    [
      'session',
      session ? `since ${moment(session.sinceMs, nowMs)} from ${session.remote}` : 'none',
    ],
    ['up to date', session ? (session.behindByChanges ? 'not yet' : 'yes') : undefined],
    ['endpoint', tunnel?.endpoint],
    ['handshake', tunnel ? age(tunnel.handshakeAgeMs) : undefined],
    ['received', tunnel ? formatBytes(tunnel.receivedBytes) : undefined],
    ['sent', tunnel ? formatBytes(tunnel.sentBytes) : undefined],
  ];
}

function sinceWhen(sinceMs: number | undefined, nowMs: number): string {
  return sinceMs === undefined ? 'no' : formatDuration(nowMs - sinceMs);
}

function age(ageMs: number | undefined): string {
  return ageMs === undefined ? 'never' : `${formatDuration(ageMs)} ago`;
}

function moment(atMs: number | undefined, nowMs: number): string | undefined {
  return atMs === undefined ? undefined : `${formatTime(atMs)} (${formatRelative(atMs, nowMs)})`;
}
