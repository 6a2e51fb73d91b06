import { createOperatorClient } from '../api/client/operator-client.ts';
import { recordAlsoIn } from '../api/endpoints.ts';
import type { Log } from '../runtime/log.ts';
import type { Directory } from './directory/directory.ts';
import type { MasterIdentity } from './master-identity.ts';
import type { KnownCaller } from './session/membership-gate.ts';

export interface AlsoInAnnouncerOptions {
  readonly identity: MasterIdentity;
  readonly directory: Directory;
}

/**
 * Tells the master of the subset where a member is already that it has joined another one, with
 * the new certificate as the proof. When that master cannot be reached the link is one-sided: a
 * ban from the new subset still finds the old one.
 */
export function createAlsoInAnnouncer(
  { identity, directory }: AlsoInAnnouncerOptions,
  { log }: { readonly log: Log },
): (caller: KnownCaller, chain: readonly string[]) => void {
  const announce = async (caller: KnownCaller, chain: readonly string[]): Promise<void> => {
    if (caller.identity.kind !== 'member') return;
    const { subset, name } = caller.identity;
    const acting = directory.actingNow(subset);
    const known = acting && directory.masters.get(acting);
    if (!known) return;
    const client = createOperatorClient({
      profile: {
        vpn: directory.vpn.name,
        masters: [{ name: known.record.name, control: known.record.control }],
        rootCertificate: directory.vpn.rootCertificate,
        certificateChain: identity.certificate,
        privateKey: identity.privateKey,
      },
    });
    const input = { params: { subset, name }, body: { chain: [...chain] } };
    await client.call(recordAlsoIn, input, { master: known.record.name });
  };
  return (caller, chain) => {
    announce(caller, chain).catch((error: unknown) =>
      log.warn({ error }, 'could not link two subsets of a member'),
    );
  };
}
