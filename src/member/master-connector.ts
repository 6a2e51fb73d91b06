import type { TLSSocket } from 'node:tls';
import type { MasterContact } from '../api/messages.ts';
import { dnsNameOf } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import { type OpenCarrier, openCarrier } from './carrier/open-carrier.ts';
import { type ControlConnection, upgradeToSession } from './control-connection.ts';
import type { ControlCounts } from './control-counts.ts';
import type { Membership } from './membership.ts';
import { connectToKnownMaster, withConnectTimeout } from './tls-connection.ts';

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
    const socket = await connectTls(contact, membership, inTime);
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
    openCarrier(await connectTls(contact, membership, inTime), { endpoint, clock }, inTime),
  );
}

function connectTls(
  { name, control: endpoint }: MasterContact,
  { state, credentials }: Membership,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { place, rootCertificate } = state;
  const dnsName = dnsNameOf({ kind: 'master', vpn: place.vpn.name, name });
  return connectToKnownMaster({ endpoint, dnsName, rootCertificate }, credentials, signal);
}
