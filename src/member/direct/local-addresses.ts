import { maxCandidates } from '../../api/direct-messages.ts';
import { interfaceNamePrefix } from '../../model/host-state.ts';
import {
  type Address,
  families,
  familyOf,
  hostPrefix,
  type Prefix,
  parsePrefix,
  prefixesOverlap,
} from '../../model/prefix.ts';
import type { NetworkAddress } from '../member-host.ts';

/** Loopback and link-local ones lead nowhere from elsewhere. */
const unusable = ['127.0.0.0/8', '169.254.0.0/16', '::1/128', 'fe80::/10'].map(parsePrefix);

/**
 * Where others on the same networks may reach this machine: no VPN's addresses, of ours or of this
 * one. IPv4 comes first, because there are never as many of them as machines have of IPv6.
 */
export function pickLocalAddresses(
  found: readonly NetworkAddress[],
  vpnPrefixes: readonly Prefix[],
): readonly Address[] {
  const excluded = [...unusable, ...vpnPrefixes];
  const usable = found
    .filter(({ interfaceName }) => !interfaceName.startsWith(interfaceNamePrefix))
    .map(({ address }) => address)
    .filter((address) => !excluded.some((prefix) => prefixesOverlap(prefix, hostPrefix(address))));
  const inOrder = families.flatMap((family) => usable.filter((one) => familyOf(one) === family));
  return [...new Set(inOrder)].slice(0, maxCandidates);
}
