import type { MasterContact } from '../api/messages.ts';
import { dnsNameOf } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import { type ControlConnection, upgradeToSession } from './control-connection.ts';
import type { ControlCounts } from './control-counts.ts';
import type { Membership } from './membership.ts';
import { connectToKnownMaster, withConnectTimeout } from './tls-connection.ts';

/**
 * Opens a connection to one of the membership's masters.
 * @throws MemberError `unreachable`, `untrusted-master`
 */
export function connectToMaster(
  { name, control }: MasterContact,
  membership: Membership,
  dependencies: { readonly clock: Clock; readonly counts: ControlCounts },
  signal: AbortSignal,
): Promise<ControlConnection> {
  const { clock, counts } = dependencies;
  const { place, rootCertificate } = membership.state;
  const dnsName = dnsNameOf({ kind: 'master', vpn: place.vpn.name, name });
  const target = { endpoint: control, dnsName, rootCertificate };
  return withConnectTimeout({ endpoint: control, clock, signal }, async (inTime) => {
    const socket = await connectToKnownMaster(target, membership.credentials, inTime);
    const options = { endpoint: control, clock, ...counts.of(`master:${name}`) };
    return await upgradeToSession(socket, options, inTime);
  });
}
