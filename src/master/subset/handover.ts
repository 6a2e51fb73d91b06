import { preferenceOrder } from '../../core/master-preference.ts';
import { describeError } from '../../model/error.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { Directory } from '../directory/directory.ts';
import type { MasterLinks } from '../master-links.ts';

export interface HandoverTarget {
  readonly master: MasterName;
}

export interface NoTarget {
  readonly master: undefined;
  /** Why each of them was passed over. */
  readonly reason: string;
}

/**
 * Who can take the subset over now: the first of the subset's other masters, in the order in which
 * they would take over a free lease, that is not being emptied and says that it is ready.
 */
export async function findHandoverTarget(
  subset: SubsetName,
  self: MasterName,
  dependencies: { readonly directory: Directory; readonly links: MasterLinks },
  signal?: AbortSignal,
): Promise<HandoverTarget | NoTarget> {
  const { directory, links } = dependencies;
  const serving = directory.servingMasters(subset);
  const others = serving
    ? preferenceOrder(serving, 0).filter((name) => name !== self && !directory.drains.has(name))
    : [];
  const answers = await Promise.all(
    others.map(async (master) => ({ master, obstacle: await obstacleOf(master) })),
  );
  const ready = answers.find(({ obstacle }) => obstacle === undefined);
  if (ready) return { master: ready.master };
  const reasons = answers.map(({ master, obstacle }) => `${master}: ${obstacle}`);
  return { master: undefined, reason: reasons.join('; ') || 'no other master serves it' };

  async function obstacleOf(master: MasterName): Promise<string | undefined> {
    try {
      const { ready: isReady, reason } = await links.readiness(subset, master, signal);
      return isReady ? undefined : (reason ?? 'it is not ready');
    } catch (error) {
      return describeError(error);
    }
  }
}
