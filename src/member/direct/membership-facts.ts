import type { View } from '../../api/messages.ts';
import type { MasterName } from '../../model/names.ts';
import { mastersOf, type TrustedMaster } from '../master-trust.ts';
import type { MembershipState } from '../membership-files.ts';
import type { DirectKnowledge } from './direct-paths.ts';
import type { RendezvousMaster } from './rendezvous.ts';

/* What direct paths are told of their membership, and it of them. */

/** Whether the master brings members of the subset together. */
export function introducesMembers(view: View, master: MasterName): boolean {
  const contact = mastersOf(view).find(({ name }) => name === master);
  return contact?.wireguard.rendezvousPort !== undefined;
}

/** @param masters those of the view; none while they cannot be trusted */
export function directKnowledge(
  { rootCertificate, keys, chain, view, directPort }: MembershipState,
  masters: readonly TrustedMaster[],
): DirectKnowledge {
  const masterKeys = masters.map(({ publicKey }) => publicKey);
  const known = {
    ...{ rootCertificate, ownKey: keys.acting.publicKey, ownChain: chain },
    ...{ masterKeys, key: view.key, haveOneKey: view.keying !== 'per-subset' },
  };
  return directPort === undefined ? known : { ...known, port: directPort };
}

/**
 * @param endpoint numeric, of the master's tunnel; undefined while its name cannot be resolved
 * @returns undefined when the direct interface cannot be shown to it
 */
export function rendezvousWith(
  { name, publicKey, wireguard }: TrustedMaster,
  endpoint: string | undefined,
): RendezvousMaster | undefined {
  const port = wireguard.rendezvousPort;
  if (endpoint === undefined || port === undefined) return undefined;
  return { name, publicKey, endpoint: withPort(endpoint, port) };
}

/** @param endpoint numeric: another port of the same address is named */
export function withPort(endpoint: string, port: number): string {
  return `${endpoint.slice(0, endpoint.lastIndexOf(':'))}:${port}`;
}
