import { recordAlsoIn } from '../api/member-endpoints.ts';
import type { Log } from '../runtime/log.ts';
import type { Directory } from './directory/directory.ts';
import type { MasterLinks } from './master-links.ts';
import type { KnownCaller } from './session/membership-gate.ts';

export interface AlsoInAnnouncerDependencies {
  readonly directory: Directory;
  readonly links: MasterLinks;
  readonly log: Log;
}

/**
 * Tells the master of the subset where a member is already that it has joined another one, with
 * the new certificate as the proof. When that master cannot be reached the link is one-sided: a
 * ban from the new subset still finds the old one.
 */
export function createAlsoInAnnouncer({
  directory,
  links,
  log,
}: AlsoInAnnouncerDependencies): (caller: KnownCaller, chain: readonly string[]) => void {
  const announce = async (caller: KnownCaller, chain: readonly string[]): Promise<void> => {
    if (caller.identity.kind !== 'member') return;
    const { subset, name } = caller.identity;
    const master = directory.actingNow(subset);
    if (!master) return;
    const input = { params: { subset, name }, body: { chain: [...chain] } };
    await links.call(recordAlsoIn, input, { master });
  };
  return (caller, chain) => {
    announce(caller, chain).catch((error: unknown) =>
      log.warn({ error }, 'could not link two subsets of a member'),
    );
  };
}
