import type { MemberPath, MemberStatus, MembershipStatus } from '../../api/member-local.ts';
import type { MasterStatus } from '../../api/status-endpoints.ts';
import { formatDirectPaths } from './direct-table.ts';
import { formatBytes, formatDuration, formatHandshakeAge, formatRelative } from './human-units.ts';
import { listNames } from './name-list.ts';
import { type Column, formatFields, formatTable } from './table.ts';

/** A master's status for people. */
export function formatMasterStatus(status: MasterStatus, nowMs: number): string {
  const { wireguard, masters, refused } = status;
  return [
    formatFields([
      ['master', status.master],
      ['software', `${status.software}, started ${formatRelative(status.startedAtMs, nowMs)}`],
      ['wireguard', `${wireguard.backend} ${wireguard.version}`],
      ['store', `${status.store}, watching ${describeWatches(status.watches)}`],
      [
        'other masters',
        masters.map((one) => describeBackbonePeer(one, nowMs)).join(', ') || 'none',
      ],
      ['messages', countBySender(status.received) || 'none yet'],
      ['refused', refused.map(({ code, count }) => `${count} ${code}`).join(', ') || 'none'],
    ]),
    status.subsets.length === 0 ? '' : `\n${formatTable(subsetColumns(nowMs), status.subsets)}`,
  ].join('');
}

/** The status of this machine's member for people. */
export function formatMemberStatus(status: MemberStatus, nowMs: number): string {
  const { wireguard, memberships } = status;
  const head = formatFields([
    ['member', `started ${formatRelative(status.startedAtMs, nowMs)}`],
    ['wireguard', `${wireguard.backend} ${wireguard.version}`],
  ]);
  return head + formatMemberships(memberships, nowMs);
}

/** What is left of a member on whose machine no daemon runs. */
export function formatEndedMemberships(
  memberships: readonly MembershipStatus[],
  nowMs: number,
): string {
  const head = formatFields([['member', 'does not run here, and was in']]);
  return head + formatMemberships(memberships, nowMs);
}

function formatMemberships(memberships: readonly MembershipStatus[], nowMs: number): string {
  return memberships
    .flatMap((one) => [
      `\n${formatFields(membershipFields(one, nowMs))}`,
      formatPaths(one, nowMs),
      one.direct.length === 0 ? '' : `\n${formatDirectPaths(one.direct)}`,
    ])
    .join('');
}

/** A roll is watched by several prefixes. */
function describeWatches(prefixes: readonly string[]): string {
  const scopes = prefixes.map((prefix) => /^roll\/[^/]+/.exec(prefix)?.[0] ?? prefix);
  return [...new Set(scopes)].join(', ');
}

function describeBackbonePeer(
  { name, isAlive, sinceMs, handshakeAgeMs }: MasterStatus['masters'][number],
  nowMs: number,
): string {
  const handshake =
    handshakeAgeMs === undefined
      ? 'no handshake'
      : `handshake ${formatDuration(handshakeAgeMs)} ago`;
  if (isAlive === undefined) return `${name} (${handshake})`;
  const since = sinceMs === undefined ? '' : ` for ${formatDuration(nowMs - sinceMs)}`;
  return `${name} (${isAlive ? 'alive' : 'DEAD'}${since}, ${handshake})`;
}

/** Control messages by the kind of their sender: members of one subset are one sender each way. */
function countBySender(received: MasterStatus['received']): string {
  const counts = new Map<string, number>();
  for (const { sender, count } of received) counts.set(sender, (counts.get(sender) ?? 0) + count);
  return [...counts].map(([sender, count]) => `${count} from ${sender}`).join(', ');
}

function subsetColumns(nowMs: number): readonly Column<MasterStatus['subsets'][number]>[] {
  return [
    { heading: 'SUBSET', cell: ({ name }) => name },
    { heading: 'ROLE', cell: ({ role }) => role },
    { heading: 'MEMBERS', cell: memberCount, align: 'right' },
    { heading: 'CONNECTED', cell: ({ connected }) => String(connected), align: 'right' },
    { heading: 'EPOCH', cell: ({ epoch }) => String(epoch ?? '-'), align: 'right' },
    { heading: 'KEY MADE', cell: ({ keyCreatedAtMs }) => keyMade(keyCreatedAtMs, nowMs) },
  ];
}

function memberCount({ members, suspended }: MasterStatus['subsets'][number]): string {
  return suspended === 0 ? String(members) : `${members}, ${suspended} suspended`;
}

/** A backup does not read the key before it acts. */
function keyMade(atMs: number | undefined, nowMs: number): string {
  return atMs === undefined ? '-' : formatRelative(atMs, nowMs);
}

function membershipFields(
  status: MembershipStatus,
  nowMs: number,
): readonly (readonly [string, string | undefined])[] {
  const { session, place, certificateEndsAtMs } = status;
  const master = session.master === undefined ? '' : ` with ${session.master}`;
  return [
    ['membership', `${status.membership}, as ${status.name}`],
    ['session', `${session.state}${master}, ${formatDuration(nowMs - session.sinceMs)}`],
    ['last error', session.state === 'live' ? undefined : session.lastError],
    ['ended', status.endReason],
    ['move', describeMove(status, nowMs)],
    ['addresses', place ? `${place.ipv4}, ${place.ipv6}` : undefined],
    ['reaches', place?.prefixes.join(', ')],
    ['sealed', describeSealed(status)],
    ['epoch', status.epoch === undefined ? undefined : String(status.epoch)],
    [
      'certificate',
      certificateEndsAtMs === undefined
        ? undefined
        : `ends ${formatRelative(certificateEndsAtMs, nowMs)}`,
    ],
  ];
}

function describeMove({ move }: MembershipStatus, nowMs: number): string | undefined {
  if (!move) return undefined;
  const { to, stage, leavesAtMs, reason } = move;
  if (stage === 'joining') return `to ${to}, under way`;
  if (stage === 'not-moved')
    return `to ${to}, NOT DONE: ${reason ?? 'for no reason that is known'}`;
  const ends =
    leavesAtMs === undefined ? '' : `; this one ends ${formatRelative(leavesAtMs, nowMs)}`;
  return `to ${to}, done${ends}`;
}

/** Undefined where masters read what they forward. */
function describeSealed({ keying, sealedTo }: MembershipStatus): string | undefined {
  if (keying === undefined || keying === 'per-subset') return undefined;
  const names = listNames(sealedTo.map(({ name, subset }) => `${name}.${subset}`)) || 'nobody yet';
  const rest = keying === 'changing' ? '; the rest can still be read by masters' : '';
  return `to ${names}${rest}`;
}

/** One line for each master, the preferred one first. */
function formatPaths({ masters }: MembershipStatus, nowMs: number): string {
  return masters.length === 0 ? '' : `\n${formatTable(pathColumns(nowMs), masters)}`;
}

type MemberMaster = MembershipStatus['masters'][number];

function pathColumns(nowMs: number): readonly Column<MemberMaster>[] {
  return [
    { heading: 'MASTER', cell: ({ name }) => name },
    { heading: 'ROLE', cell: ({ role }) => role },
    { heading: 'IN USE', cell: ({ path }) => (path?.inUse ? 'yes' : 'no') },
    { heading: 'PATH', cell: ({ path }) => (path ? describePath(path, nowMs) : 'none') },
    { heading: 'HANDSHAKE', cell: ({ path }) => formatHandshakeAge(path?.handshakeAgeMs) },
    { heading: 'ENDPOINT', cell: ({ path }) => path?.endpoint ?? '-' },
    { heading: 'INTERFACE', cell: ({ path }) => path?.interfaceName ?? '-' },
    { heading: 'RECEIVED', cell: ({ path }) => bytes(path?.receivedBytes), align: 'right' },
    { heading: 'SENT', cell: ({ path }) => bytes(path?.sentBytes), align: 'right' },
  ];
}

function describePath({ isAlive, isProven, sinceMs, over }: MemberPath, nowMs: number): string {
  if (!isProven) return 'untried';
  const way = over === 'https' ? ', over HTTPS: UDP is blocked' : '';
  return `${isAlive ? 'alive' : 'dead'} for ${formatDuration(nowMs - sinceMs)}${way}`;
}

function bytes(count: number | undefined): string {
  return count === undefined ? '-' : formatBytes(count);
}
