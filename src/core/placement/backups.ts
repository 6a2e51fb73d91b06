import type { MasterName } from '../../model/names.ts';
import { compareNames } from './compare-names.ts';
import type { PreparedMember } from './criteria.ts';
import type { MasterFacts } from './facts.ts';
import type { PlacementPolicy } from './policy.ts';
import type { Scorer } from './scorer.ts';

/** What a backup should not have in common with the acting master: one event could take both. */
export type SharedFate = 'site' | 'provider' | 'jurisdiction';

export interface RankedBackup {
  readonly master: MasterName;
  /** The mean over the members that reach it, before what it shares. */
  readonly score: number;
  /** How many of the members do not reach it, and would have no use of it. */
  readonly unreached: number;
  readonly shares: readonly SharedFate[];
  /** The score, the policy's points for what it shares, and for those that do not reach it. */
  readonly total: number;
}

export interface BackupFacts {
  /** Whom the backups are for: one member, or all of a subset who have measured; at least one. */
  readonly members: readonly PreparedMember[];
  /** Others that would be served too, of whom no more is known than where they are. */
  readonly unmeasured?: readonly PreparedMember[];
  readonly acting: MasterName;
  readonly masters: readonly MasterFacts[];
}

/**
 * The masters that could back up the acting one, the best first; ties by name. Hard constraints hold
 * as for the acting master, for every member; capacities and pins do not, since a backup acts for
 * nobody until something has failed. To be out of some members' reach is a loss of so many percent.
 */
export function rankBackups(
  { members, unmeasured = [], acting, masters }: BackupFacts,
  scorer: Scorer,
  { backups: policy, criteria: { lossPercent } }: Pick<PlacementPolicy, 'backups' | 'criteria'>,
): readonly RankedBackup[] {
  const points = {
    site: policy.sameSite,
    provider: policy.sameProvider,
    jurisdiction: policy.sameJurisdiction,
  };
  const served = jurisdictionsOf([...members, ...unmeasured]);
  return masters
    .filter(
      ({ name, isDraining }) => name !== acting && !isDraining && mayServe(name, served, scorer),
    )
    .map(({ name }) => {
      const { score, unreached } = meanScore(members, name, scorer);
      const shares = sharedFates(acting, name, scorer);
      const shared = shares.reduce((sum, fate) => sum + points[fate], 0);
      const missed = ((100 * unreached) / members.length) * lossPercent.weight;
      return { master: name, score, unreached, shares, total: score + shared + missed };
    })
    .filter(({ total }) => total < Infinity)
    .sort((one, other) => one.total - other.total || compareNames(one.master, other.master));
}

/** Where the members are; the rules are the same for all who are in one place. */
function jurisdictionsOf(
  members: readonly PreparedMember[],
): ReadonlySet<PreparedMember['jurisdiction']> {
  return new Set(members.map(({ jurisdiction }) => jurisdiction));
}

function mayServe(
  master: MasterName,
  served: ReturnType<typeof jurisdictionsOf>,
  { jurisdictions }: Scorer,
): boolean {
  return [...served].every((where) => jurisdictions.exclusionsOfMaster(where, master).length === 0);
}

/** Infinity when no member reaches it, or for any that does it misses a limit. */
function meanScore(
  members: readonly PreparedMember[],
  master: MasterName,
  scorer: Scorer,
): Pick<RankedBackup, 'score' | 'unreached'> {
  const reaching = members.filter((member) => scorer.reaches(member, master));
  const sum = reaching.reduce((total, member) => total + scorer.score(member, master), 0);
  const unreached = members.length - reaching.length;
  return { score: reaching.length === 0 ? Infinity : sum / reaching.length, unreached };
}

/** What nobody knows of is not taken for shared. */
function sharedFates(acting: MasterName, backup: MasterName, { places }: Scorer): SharedFate[] {
  const [one, other] = [places.placeOfMaster(acting), places.placeOfMaster(backup)];
  return (['site', 'provider', 'jurisdiction'] as const).filter(
    (fate) => one[fate] !== undefined && one[fate] === other[fate],
  );
}
