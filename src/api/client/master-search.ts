import type { Endpoint } from '../../model/endpoint.ts';
import type { MasterName } from '../../model/names.ts';
import type { DirectoryView } from '../directory-endpoints.ts';
import { type ApiError, ClientError } from './client-error.ts';
import type { KnownMaster } from './operator-profile.ts';

/** The directory's masters, as far as it takes to reach them. */
export function mastersOf({ masters }: DirectoryView): readonly KnownMaster[] {
  return masters.map(({ name, control }) => ({ name, control: control as Endpoint }));
}

/** @throws ClientError `unknown-master` */
export function findMaster(directory: DirectoryView, wanted: MasterName): KnownMaster {
  const masters = mastersOf(directory);
  const master = masters.find(({ name }) => name === wanted);
  if (master) return master;
  const known = masters.map(({ name }) => name).join(', ') || 'none yet';
  throw new ClientError(`there is no master ${wanted}; the VPN has: ${known}`, {
    code: 'unknown-master',
    fields: { name: wanted },
  });
}

/** Why a master did not do what was asked, so that another may be asked. */
export interface Miss {
  readonly error: ApiError | ClientError;
  /** Whether the same master may do it in a moment. */
  readonly passes: boolean;
}

/**
 * Who is asked in turn for what one subset's masters can do, while they may be changing places, and
 * what each of them said.
 */
export class MasterSearch {
  readonly #subset: string | undefined;
  readonly #misses = new Map<MasterName, Miss>();

  constructor(subset: string | undefined) {
    this.#subset = subset;
  }

  /**
   * The masters to ask in this round: who acts now, then the others that serve the subset; those
   * that were out of reach in the round before come last, because that takes time to find out.
   * @throws ClientError `unknown-subset`
   */
  candidates(directory: DirectoryView): readonly KnownMaster[] {
    const subset = directory.subsets.find(({ name }) => name === this.#subset);
    if (!subset) throw unknownSubset(directory, this.#subset);
    const names = new Set([subset.acting, subset.home, ...subset.backups]);
    const wasAway = (name: MasterName): number =>
      this.#misses.get(name)?.error.code === 'not-acting' || !this.#misses.has(name) ? 0 : 1;
    return [...names]
      .sort((one, other) => wasAway(one) - wasAway(other))
      .map((name) => findMaster(directory, name));
  }

  add({ name }: KnownMaster, miss: Miss): void {
    this.#misses.set(name, miss);
  }

  /** Whether it is of use to ask them once more. */
  get mayPass(): boolean {
    return [...this.#misses.values()].some(({ passes }) => passes);
  }

  /** What to tell when nobody did it. The only master's own words, or those of all that were asked. */
  failure(): ApiError | ClientError {
    const misses = [...this.#misses];
    const [first, ...others] = misses;
    if (first && others.length === 0) return first[1].error;
    const list = misses.map(([name, { error }]) => `\n  ${name}: ${error.message}`).join('');
    return new ClientError(`no master of ${this.#subset} did it; each was asked and said:${list}`, {
      code: 'no-master-ready',
      retryable: misses.some(([, { error }]) => error.retryable),
      fields: { subset: String(this.#subset), masters: misses.map(([name]) => name) },
      cause: new AggregateError(misses.map(([, { error }]) => error)),
    });
  }
}

function unknownSubset({ subsets }: DirectoryView, wanted: string | undefined): ClientError {
  const known = subsets.map(({ name }) => name).join(', ') || 'none yet';
  return new ClientError(`there is no subset ${wanted}; the VPN has: ${known}`, {
    code: 'unknown-subset',
    fields: { name: String(wanted) },
  });
}
