import type { MemberStatus, MembershipStatus } from '../api/member-local.ts';
import type { MemberEntry } from './member-entry.ts';
import type { MemberHost, TunnelObservation } from './member-host.ts';
import type { Tombstone } from './membership-files.ts';
import type { MembershipLoop } from './membership-loop.ts';
import { validityOf } from './validity.ts';

/** Everything that `hanse status` shows of a member. */
export async function readMemberStatus(
  facts: {
    readonly entries: ReadonlyMap<string, MemberEntry>;
    readonly startedAtMs: number;
    readonly nowMs: number;
  },
  host: MemberHost,
): Promise<MemberStatus> {
  const tunnels = await host.observe();
  const memberships = [...facts.entries].map(([membership, entry]) => {
    if (entry.kind === 'running') return runningStatus(entry.loop, tunnels, facts.nowMs);
    return entry.kind === 'joining'
      ? joiningStatus(membership, entry)
      : endedStatus(membership, entry);
  });
  return { startedAtMs: facts.startedAtMs, wireguard: host.wireguard, memberships };
}

function joiningStatus(
  membership: string,
  { invite, name, sinceMs }: MemberEntry & { kind: 'joining' },
): MembershipStatus {
  const { vpn, subset } = invite;
  const session = { state: 'joining', sinceMs, reconnects: 0 } as const;
  return { membership, vpn, subset, name, session, masters: [] };
}

/** Of a membership of which there is the tombstone only. */
export function endedStatus(
  membership: string,
  { tombstone }: { readonly tombstone: Tombstone },
): MembershipStatus {
  const { vpn, subset, name, reason, endedAtMs } = tombstone;
  const session = { state: 'ended', sinceMs: endedAtMs, reconnects: 0 } as const;
  return { membership, vpn, subset, name, session, endReason: reason, masters: [] };
}

function runningStatus(
  loop: MembershipLoop,
  tunnels: ReadonlyMap<string, TunnelObservation>,
  nowMs: number,
): MembershipStatus {
  const { membership, status } = loop;
  const { place, view, chain } = membership.state;
  const { ipv4, ipv6, vpn, subset, name } = place;
  return {
    membership: membership.name,
    vpn: vpn.name,
    subset,
    name,
    session: status,
    place: { ipv4, ipv6, prefixes: vpn.prefixes },
    epoch: view.key.epoch,
    appliedRevision: membership.appliedRevision,
    certificateEndsAtMs: validityOf(chain).endsAtMs,
    masters: [
      masterStatus(view.acting, 'acting'),
      ...view.backups.map((backup) => masterStatus(backup, 'backup')),
    ],
    ...tunnelStatus(membership.interfaceName, tunnels.get(membership.interfaceName), nowMs),
  };
}

type MasterStatus = MembershipStatus['masters'][number];

function masterStatus(
  { name, control }: Pick<MasterStatus, 'name' | 'control'>,
  role: MasterStatus['role'],
): MasterStatus {
  return { name, role, control, path: role === 'acting' ? 'tunnel' : 'none' };
}

function tunnelStatus(
  interfaceName: string,
  observation: TunnelObservation | undefined,
  nowMs: number,
): Pick<MembershipStatus, 'tunnel'> {
  if (!observation) return {};
  const { handshakeAtMs, ...counters } = observation;
  const age = handshakeAtMs === undefined ? {} : { handshakeAgeMs: nowMs - handshakeAtMs };
  return { tunnel: { interfaceName, ...counters, ...age } };
}
