import type { DirectPath } from '../api/direct-messages.ts';
import type { MemberPath, MemberStatus, MembershipStatus } from '../api/member-local.ts';
import type { MasterContact } from '../api/messages.ts';
import type { PathStatus } from '../paths/path-monitor.ts';
import type { MemberEntry } from './member-entry.ts';
import type { MemberHost, TunnelObservation } from './member-host.ts';
import type { Membership } from './membership.ts';
import type { Tombstone } from './membership-files.ts';
import type { MembershipLoop } from './membership-loop.ts';
import type { MoveState } from './moving/move-state.ts';
import { validityOf } from './validity.ts';

/** What was found out about tunnels, by interface. */
interface TunnelFacts {
  readonly tunnels: ReadonlyMap<string, TunnelObservation>;
  readonly statuses: ReadonlyMap<string, PathStatus>;
  readonly nowMs: number;
}

/** Everything that `hanse status` shows of a member. */
export async function readMemberStatus(
  facts: {
    readonly entries: ReadonlyMap<string, MemberEntry>;
    readonly startedAtMs: number;
    readonly statuses: ReadonlyMap<string, PathStatus>;
    readonly nowMs: number;
  },
  host: MemberHost,
): Promise<MemberStatus> {
  const tunnels = await host.observe();
  const read = async ([membership, entry]: [string, MemberEntry]) => {
    if (entry.kind === 'running') {
      const direct = await entry.loop.membership.peers.direct.report();
      return runningStatus(entry.loop, { ...facts, tunnels, direct });
    }
    return entry.kind === 'joining'
      ? joiningStatus(membership, entry)
      : endedStatus(membership, entry);
  };
  const memberships = await Promise.all([...facts.entries].map(read));
  return { startedAtMs: facts.startedAtMs, wireguard: host.wireguard, memberships };
}

function joiningStatus(
  membership: string,
  { invite, name, sinceMs }: MemberEntry & { kind: 'joining' },
): MembershipStatus {
  const { vpn, subset } = invite;
  const session = { state: 'joining', sinceMs, reconnects: 0 } as const;
  return { membership, vpn, subset, name, session, masters: [], direct: [], sealedTo: [] };
}

/** Of a membership of which there is the tombstone only. */
export function endedStatus(
  membership: string,
  { tombstone }: { readonly tombstone: Tombstone },
): MembershipStatus {
  const { vpn, subset, name, reason, endedAtMs } = tombstone;
  const session = { state: 'ended', sinceMs: endedAtMs, reconnects: 0 } as const;
  const empty = { masters: [], direct: [], sealedTo: [] };
  return { membership, vpn, subset, name, session, endReason: reason, ...empty };
}

function runningStatus(
  loop: MembershipLoop,
  facts: TunnelFacts & { readonly direct: readonly DirectPath[] },
): MembershipStatus {
  const { membership, status } = loop;
  const { place, view, chain, move } = membership.state;
  const { ipv4, ipv6, vpn, subset, name } = place;
  return {
    membership: membership.name,
    vpn: vpn.name,
    subset,
    name,
    session: status,
    ...(move ? { move: moveStatus(move) } : {}),
    place: { ipv4, ipv6, prefixes: vpn.prefixes },
    epoch: view.key.epoch,
    appliedRevision: membership.appliedRevision,
    certificateEndsAtMs: validityOf(chain).endsAtMs,
    masters: membership.masterOrder.map((contact) => ({
      name: contact.name,
      role: contact.name === view.acting.name ? 'acting' : 'backup',
      control: contact.control,
      ...pathStatus(contact, membership, facts),
    })),
    pathMoves: membership.paths.moves,
    direct: [...facts.direct],
    keying: view.keying,
    sealedTo: membership.peers.sealed.peers.map(({ name, subset }) => ({ name, subset })),
    directMoves: membership.peers.direct.moves,
    introductionsRefused: membership.peers.refused,
  };
}

function moveStatus(move: MoveState): MembershipStatus['move'] {
  const { to, stage } = move;
  if (stage === 'moved') return { to, stage, leavesAtMs: move.leavesAtMs };
  return stage === 'not-moved' ? { to, stage, reason: move.reason } : { to, stage };
}

function pathStatus(
  { name, control }: MasterContact,
  membership: Membership,
  { tunnels, statuses, nowMs }: TunnelFacts,
): { readonly path?: MemberPath } {
  const { paths } = membership;
  const interfaceName = paths.interfaceOf(name);
  if (interfaceName === undefined) return {};
  const observation = tunnels.get(interfaceName);
  const status = statuses.get(interfaceName);
  if (!observation || !status) return {};
  const { handshakeAtMs, ...counters } = observation;
  const age = handshakeAtMs === undefined ? {} : { handshakeAgeMs: nowMs - handshakeAtMs };
  const inUse = paths.using?.master === name;
  const way = membership.isCarried(name)
    ? ({ over: 'https', endpoint: control } as const)
    : ({ over: 'udp' } as const);
  return { path: { interfaceName, inUse, ...status, ...counters, ...age, ...way } };
}
