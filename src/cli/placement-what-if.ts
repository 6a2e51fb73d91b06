import type { DirectoryView } from '../api/directory-endpoints.ts';
import { preferenceOrder } from '../core/master-preference.ts';
import { InvalidInputError } from '../model/error.ts';
import {
  type MasterName,
  parseMasterName,
  parseSubsetName,
  type SubsetName,
} from '../model/names.ts';
import { servingMasters } from './member-sightings.ts';
import type { MeasuredMember } from './placement-moving.ts';
import type { SubsetView } from './subset-lookup.ts';

/** The part of a directory that placement goes by. */
export type SupposedDirectory = Pick<DirectoryView, 'masters' | 'subsets'>;

/** What an operator wants to see the outcome of. */
export interface WhatIf {
  /** Masters that are lost. */
  readonly without: readonly string[];
  /** Subsets that there would be, each `SUBSET=MASTER`. */
  readonly with: readonly string[];
}

/** A subset whose acting master is lost. */
export interface Takeover {
  readonly subset: SubsetName;
  readonly from: MasterName;
  /** The backup that acts for it then; absent where none is left. */
  readonly to?: MasterName;
}

export interface Supposition {
  readonly directory: SupposedDirectory;
  readonly takeovers: readonly Takeover[];
  readonly added: readonly { readonly subset: SubsetName; readonly master: MasterName }[];
}

/**
 * The directory as it would be: lost masters are gone, their subsets with the backup that comes first,
 * and new subsets are there, without backups.
 * @throws InvalidInputError for a master that is not there, or a subset that is
 */
export function supposeDirectory(directory: SupposedDirectory, whatIf: WhatIf): Supposition {
  const lost = new Set(whatIf.without.map((text) => requireMaster(directory, text)));
  const added = whatIf.with.map((text) => parseNewSubset(directory, text));
  for (const { subset, master } of added) {
    if (lost.has(master)) {
      throw new InvalidInputError(`--with ${subset}=${master}: ${master} is to be lost`, {
        option: '--with',
      });
    }
  }
  const drained = new Set(
    directory.masters.flatMap(({ name, drainedSinceMs }) =>
      drainedSinceMs === undefined ? [] : [name],
    ),
  );
  const left = directory.subsets.map((subset) => loseMasters(subset, lost, drained));
  const fresh = added.map(({ subset: name, master }) => ({
    ...{ name, home: master, acting: master, backups: [], blocks: [] },
  }));
  return {
    directory: {
      masters: directory.masters.filter(({ name }) => !lost.has(name)),
      subsets: [...left, ...fresh],
    },
    takeovers: directory.subsets.flatMap(({ name, acting: from }, index) => {
      if (!lost.has(from)) return [];
      const to = left[index]?.acting ?? from;
      return [{ subset: name, from, ...(lost.has(to) ? {} : { to }) }];
    }),
    added,
  };
}

/** Masters of new subsets that nobody has measured, so that nobody can be planned there. */
export function unmeasuredMasters(
  { added }: Pick<Supposition, 'added'>,
  members: readonly MeasuredMember[],
): readonly MasterName[] {
  const measured = new Set(
    members.flatMap(({ measured: seen }) =>
      (seen?.report?.masters ?? []).flatMap(({ name, latencyMs }) =>
        latencyMs === undefined ? [] : [name],
      ),
    ),
  );
  return [...new Set(added.map(({ master }) => master))].filter((master) => !measured.has(master));
}

/** Whoever is left of a subset's masters; the acting one stays named where nobody is. */
function loseMasters(
  subset: SubsetView,
  lost: ReadonlySet<MasterName>,
  drained: ReadonlySet<MasterName>,
): SubsetView {
  const { home, acting, backups } = subset;
  const order = preferenceOrder({ home, acting, backups, drained }, 0);
  const successor = order.find((master) => !lost.has(master));
  const next = lost.has(acting) ? (successor ?? acting) : acting;
  const serving = servingMasters(subset).filter((master) => !lost.has(master) && master !== next);
  return { ...subset, home: next, acting: next, backups: serving };
}

function requireMaster({ masters }: SupposedDirectory, text: string): MasterName {
  const wanted = parseMasterName(text);
  if (masters.some(({ name }) => name === wanted)) return wanted;
  const known = masters.map(({ name }) => name).join(', ') || 'none yet';
  throw new InvalidInputError(
    `there is no master ${wanted}; the VPN has: ${known}. Members measure a new one once it runs`,
    { name: wanted },
  );
}

function parseNewSubset(
  directory: SupposedDirectory,
  text: string,
): { readonly subset: SubsetName; readonly master: MasterName } {
  const [, name, acting] = /^([^=]+)=([^=]+)$/.exec(text) ?? [];
  if (name === undefined || acting === undefined) {
    throw new InvalidInputError(
      `--with ${text}: expected SUBSET=MASTER, a new subset and who would act for it`,
      { option: '--with' },
    );
  }
  const subset = parseSubsetName(name);
  if (directory.subsets.some((known) => known.name === subset)) {
    throw new InvalidInputError(`--with ${text}: there is a subset ${subset} already`, {
      option: '--with',
    });
  }
  return { subset, master: requireMaster(directory, acting) };
}
