import { getUnboundHere, type SubsetBinding } from '../../api/key-endpoints.ts';
import { pickUnbound, type UnboundSubset } from '../../core/unbound-masters.ts';
import { describeError } from '../../model/error.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import type { Log } from '../../runtime/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { MasterLinks } from '../master-links.ts';
import type { ActingSubset } from '../subset/acting-subset.ts';

export interface UnboundMastersDependencies {
  readonly master: MasterName;
  readonly directory: Pick<Directory, 'masters' | 'subsets'>;
  readonly subsets: { acting(): readonly Pick<ActingSubset, 'state' | 'unboundMasters'>[] };
  readonly links: Pick<MasterLinks, 'call'>;
  readonly log: Log;
}

/** How far the certificates of all masters bind the addresses of their subsets. */
export interface BindingStanding {
  readonly unbound: readonly UnboundSubset[];
  /** Of which nobody who acts for them has told; in the order of names. */
  readonly unknown: readonly SubsetName[];
}

/** Of all subsets of the VPN: each master tells of those that it acts for. Never rejects for one that is away. */
export async function findUnbound(
  dependencies: UnboundMastersDependencies,
  signal: AbortSignal,
): Promise<BindingStanding> {
  const { directory } = dependencies;
  const told = await Promise.all(
    [...directory.masters.keys()].map((master) => ask(master, dependencies, signal)),
  );
  // While two change places, both may tell.
  const bindings = new Map(told.flat().map((binding) => [binding.subset, binding]));
  const subsets = [...directory.subsets.keys()].sort();
  return {
    unbound: pickUnbound(subsets.flatMap((subset) => bindings.get(subset) ?? [])),
    unknown: subsets.filter((subset) => !bindings.has(subset)),
  };
}

/** Of the subsets that this master acts for, without those whose store does not answer. */
export async function findUnboundHere(
  { subsets, log }: Pick<UnboundMastersDependencies, 'subsets' | 'log'>,
  signal: AbortSignal,
): Promise<readonly SubsetBinding[]> {
  const told = subsets.acting().map(async (acting): Promise<readonly SubsetBinding[]> => {
    const { subset } = acting.state;
    try {
      return [{ subset, masters: [...(await acting.unboundMasters(signal))] }];
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ subset, reason: describeError(error) }, 'authorities could not be read');
      return [];
    }
  });
  return (await Promise.all(told)).flat();
}

async function ask(
  master: MasterName,
  dependencies: UnboundMastersDependencies,
  signal: AbortSignal,
): Promise<readonly SubsetBinding[]> {
  const { links, log } = dependencies;
  if (master === dependencies.master) return findUnboundHere(dependencies, signal);
  try {
    return (await links.call(getUnboundHere, {}, { master, signal })).subsets;
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ master, reason: describeError(error) }, 'a master did not tell what it has bound');
    return [];
  }
}
