import type { MeasuredView } from '../../api/measured-view.ts';
import type { MemberView } from '../../api/member-endpoints.ts';
import { isUnderWay } from '../../core/move.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import type { Answer } from '../master-answers.ts';
import { findMember } from '../member-reference.ts';
import { mergeSightings, type SeenMember, sightings, sightingsOf } from '../member-sightings.ts';
import { asOperator } from '../operator-session.ts';
import {
  describeTraffic,
  formatBytes,
  formatDuration,
  formatHandshakeAge,
  formatRelative,
  formatTime,
} from '../output/human-units.ts';
import { writeJson } from '../output/json.ts';
import { formatReport } from '../output/measurement-table.ts';
import { type Column, formatFields, formatTable } from '../output/table.ts';
import { subsetsToList } from '../subset-lookup.ts';

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
    const members: SeenMember[] = [];
    for (const subset of subsetsToList(await client.directory(signal), options.subset)) {
      const onAway = ({ name, error }: { name: string; error: string }) =>
        terminal.err.write(
          `hanse: sessions of ${subset.name} with ${name} are missing: ${error}\n`,
        );
      members.push(...(await sightings(client, { subset, state }, onAway, signal)));
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
    const answers = await sightingsOf(client, member, signal);
    const seen = mergeSightings(member, answers);
    const masters = answers.map((answer) => mastersView(answer, member));
    if (options.json) {
      writeJson(terminal.out, { ...seen, masters });
      return undefined;
    }
    const nowMs = Date.now();
    terminal.out.write(formatFields(memberFields(seen, nowMs)));
    if (seen.state === 'active') {
      terminal.out.write(`\n${formatTable(masterColumns(nowMs), masters)}`);
    }
    const report = seen.measured?.report;
    if (report) terminal.out.write(`\n${formatReport(report.masters)}`);
    return undefined;
  });
}

/** One of a member's masters, and what it has of the member. */
interface MasterOfMember extends Pick<MemberView, 'session' | 'tunnel'> {
  readonly name: string;
  readonly role: 'acting' | 'backup';
  readonly error?: string;
}

function mastersView(answer: Answer<MemberView>, { acting }: MemberView): MasterOfMember {
  const { name } = answer;
  const role = name === acting ? 'acting' : 'backup';
  if ('error' in answer) return { name, role, error: answer.error };
  const { session, tunnel } = answer.reply;
  return { name, role, ...(session ? { session } : {}), ...(tunnel ? { tunnel } : {}) };
}

function memberColumns(nowMs: number): readonly Column<SeenMember>[] {
  return [
    { heading: 'MEMBER', cell: ({ name, subset }) => `${name}.${subset}` },
    { heading: 'STATE', cell: (member) => describeState(member, nowMs) },
    { heading: 'IPV4', cell: ({ ipv4 }) => ipv4 },
    { heading: 'IPV6', cell: ({ ipv6 }) => ipv6 },
    { heading: 'CONNECTED', cell: ({ session }) => sinceWhen(session?.sinceMs, nowMs) },
    { heading: 'MASTER', cell: ({ sessionWith }) => sessionWith ?? '-' },
    { heading: 'DIRECT', cell: ({ session }) => describeDirect(session?.directTo) },
    { heading: 'HANDSHAKE', cell: ({ tunnel }) => formatHandshakeAge(tunnel?.handshakeAgeMs) },
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

function describeState({ state, moving, movedTo }: SeenMember, nowMs: number): string {
  if (movedTo) return `${state}, moved to ${movedTo.subset}`;
  return moving && isUnderWay(moving, nowMs) ? `${state}, moving to ${moving.to}` : state;
}

function describeOrder({ moving }: SeenMember, nowMs: number): string | undefined {
  if (!moving) return undefined;
  const { to, orderedAtMs, expiresAtMs, failure } = moving;
  const ordered = `to ${to}, ordered ${formatRelative(orderedAtMs, nowMs)}`;
  if (failure) return `${ordered}; NOT MOVED: ${failure.reason}`;
  return expiresAtMs <= nowMs
    ? `${ordered}; NOT MOVED: it did not come before the order ended`
    : `${ordered}, until ${moment(expiresAtMs, nowMs)}`;
}

function describeMoved({ name, movedTo, state }: SeenMember, nowMs: number): string | undefined {
  if (!movedTo) return undefined;
  const { subset, leavesAtMs } = movedTo;
  const now = `it is ${name}.${subset} now`;
  return state === 'active' ? `${now}, and leaves here ${moment(leavesAtMs, nowMs)}` : now;
}

/** Everything else goes through the master. */
function describeDirect(directTo: readonly string[] = []): string {
  return directTo.length <= 2 ? directTo.join(', ') || '-' : `${directTo.length} members`;
}

function memberFields(
  member: SeenMember,
  nowMs: number,
): readonly (readonly [string, string | undefined])[] {
  const { session, sessionWith } = member;
  const backups = member.order.filter((master) => master !== member.acting);
  return [
    ['member', `${member.name}.${member.subset}`],
    ['state', member.state],
    ['ipv4', member.ipv4],
    ['ipv6', member.ipv6],
    ['acting master', member.acting],
    ['its backups', backups.join(', then ') || 'none'],
    ['also in', member.alsoIn.join(', ') || undefined],
    ['is to move', describeOrder(member, nowMs)],
    ['has moved', describeMoved(member, nowMs)],
    ['joined', moment(member.joinedAtMs, nowMs)],
    ['certificate ends', moment(member.certificateEndsAtMs, nowMs)],
    ['ended', moment(member.endedAtMs, nowMs)],
    ['name free again', moment(member.reusableAtMs, nowMs)],
    ['identity key', member.identityKey],
    ['wireguard key', member.keys.acting],
    [
      'session',
      session
        ? `with ${sessionWith} since ${moment(session.sinceMs, nowMs)} from ${session.remote}`
        : 'none',
    ],
    ['direct to', session?.directTo.join(', ') || undefined],
    ['round trip', describeRoundTrip(member.measured)],
    ['measured', describeMeasured(member.measured)],
    ['place', describePlace(member.measured)],
    ['traffic', describeTraffic(member.traffic)],
    ['up to date', session ? (session.behindByChanges ? 'not yet' : 'yes') : undefined],
  ];
}

/** Of the session, as its master measures it. */
function describeRoundTrip({ session }: Partial<MeasuredView> = {}): string | undefined {
  if (!session) return undefined;
  const { leastMs, medianMs } = session;
  return `${medianMs.toFixed(1)} ms in the session, ${leastMs.toFixed(1)} ms at least`;
}

/** Of the address that its session comes from. */
function describePlace({ place, system }: Partial<MeasuredView> = {}): string | undefined {
  const { country, position } = place ?? {};
  const parts = [
    country,
    position && `${position.latitude.toFixed(2)}, ${position.longitude.toFixed(2)}`,
    system === undefined ? undefined : `AS ${system}`,
  ];
  return parts.filter((part) => part !== undefined).join('; ') || undefined;
}

const verdicts: Readonly<Record<MeasuredView['verdict'], string>> = {
  agrees: 'agrees with its session',
  'too-near': 'CLAIMS LESS THAN ITS SESSION TAKES',
  'too-far': 'CLAIMS MORE THAN ITS SESSION TAKES',
  unknown: 'not compared yet',
};

function describeMeasured(measured: MeasuredView | undefined): string | undefined {
  if (!measured?.report) return undefined;
  const alert = measured.isAlert ? ' (alert: twice in a row)' : '';
  return `${formatDuration(measured.report.ageMs)} ago; ${verdicts[measured.verdict]}${alert}`;
}

/** In the order in which the member uses them. */
function masterColumns(nowMs: number): readonly Column<MasterOfMember>[] {
  return [
    { heading: 'MASTER', cell: ({ name }) => name },
    { heading: 'ROLE', cell: ({ role }) => role },
    {
      heading: 'SESSION',
      cell: ({ session, error }) =>
        error === undefined ? sinceWhen(session?.sinceMs, nowMs) : 'no answer',
    },
    { heading: 'HANDSHAKE', cell: ({ tunnel }) => formatHandshakeAge(tunnel?.handshakeAgeMs) },
    { heading: 'ENDPOINT', cell: ({ tunnel }) => tunnel?.endpoint ?? '-' },
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

function sinceWhen(sinceMs: number | undefined, nowMs: number): string {
  return sinceMs === undefined ? 'no' : formatDuration(nowMs - sinceMs);
}

function moment(atMs: number | undefined, nowMs: number): string | undefined {
  return atMs === undefined ? undefined : `${formatTime(atMs)} (${formatRelative(atMs, nowMs)})`;
}
