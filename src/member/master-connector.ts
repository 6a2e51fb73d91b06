import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import type { MasterContact } from '../api/messages.ts';
import { dnsNameOf } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import { type OpenCarrier, openCarrier } from './carrier/open-carrier.ts';
import { type ControlConnection, upgradeToSession } from './control-connection.ts';
import type { ControlCounts } from './control-counts.ts';
import type { Membership } from './membership.ts';
import { connectToKnownMaster, withConnectTimeout } from './tls-connection.ts';
import { validityOf } from './validity.ts';

/**
 * Opens a session's connection to one of the membership's masters.
 * @throws MemberError `unreachable`, `untrusted-master`
 */
export function connectToMaster(
  contact: MasterContact,
  membership: Membership,
  dependencies: { readonly clock: Clock; readonly counts: ControlCounts },
  signal: AbortSignal,
): Promise<ControlConnection> {
  const { clock, counts } = dependencies;
  const { name, control: endpoint } = contact;
  return withConnectTimeout({ endpoint, clock, signal }, async (inTime) => {
    const socket = await connectTls(contact, membership, clock, inTime);
    const options = { endpoint, clock, ...counts.of(`master:${name}`) };
    return await upgradeToSession(socket, options, inTime);
  });
}

/**
 * Opens a carrier of WireGuard's packets to one of the membership's masters (`api/carrier.ts`).
 * @throws MemberError `unreachable`, `untrusted-master`; whatever `ws` says of another answer
 */
export function carryByMaster(
  contact: MasterContact,
  membership: Membership,
  { clock }: { readonly clock: Clock },
  signal: AbortSignal,
): Promise<OpenCarrier> {
  const { control: endpoint } = contact;
  return withConnectTimeout({ endpoint, clock, signal }, async (inTime) =>
    openCarrier(await connectTls(contact, membership, clock, inTime), { endpoint, clock }, inTime),
  );
}

/**
 * Connects to one of the membership's masters only for the ticket that it gives.
 * @throws MemberError `unreachable`, `untrusted-master`
 */
export function fetchTicket(
  contact: MasterContact,
  membership: Membership,
  { clock }: { readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  const { control: endpoint } = contact;
  return withConnectTimeout({ endpoint, clock, signal }, async (inTime) => {
    const socket = await connectTls(contact, membership, clock, inTime);
    try {
      await once(socket, 'session', { signal: inTime });
    } finally {
      socket.destroySoon();
    }
  });
}

/** Resumes where there is a ticket, and keeps those that come. */
async function connectTls(
  { name, control: endpoint }: MasterContact,
  { state, credentials, tickets }: Membership,
  clock: Clock,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { place, rootCertificate, chain } = state;
  const dnsName = dnsNameOf({ kind: 'master', vpn: place.vpn.name, name });
  const ticket = tickets.take(name, chain, clock.nowMs());
  const target = { endpoint, dnsName, rootCertificate, ticket };
  const socket = await connectToKnownMaster(target, credentials, signal);
  const masterEndsAtMs = socket.getPeerX509Certificate()?.validToDate.getTime() ?? 0;
  const endsAtMs = Math.min(masterEndsAtMs, validityOf(chain).endsAtMs);
  socket.on('session', (session) => tickets.keep(name, { session, chain, endsAtMs }));
  return socket;
}
