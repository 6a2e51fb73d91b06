import { type BlockPair, blockPairs } from '../core/addressing.ts';
import { preferenceOrder, type ServingMasters } from '../core/master-preference.ts';
import type {
  ActingRecord,
  DrainRecord,
  GroupKeyRecord,
  KeyingPhase,
  MasterRecord,
  SubsetRecord,
  VpnRecord,
} from '../model/records/directory.ts';
import type { DirectoryView } from './directory-endpoints.ts';

/** What a view of the directory is made of. */
export interface ViewedDirectory {
  readonly vpn: VpnRecord;
  readonly masters: readonly MasterRecord[];
  readonly subsets: readonly SubsetRecord[];
  /** At most one for each subset; none before anybody has acted for it. */
  readonly acting: readonly ActingRecord[];
  readonly drains: readonly DrainRecord[];
  /** Undefined for a VPN that is as it was made. */
  readonly keying?: KeyingPhase | undefined;
  /** Undefined where it was not read. */
  readonly backboneKey?: Pick<GroupKeyRecord, 'epoch' | 'createdAtMs'> | undefined;
}

/** The directory's records as clients see them: in the order of names, without keys, certificates and indices. */
export function directoryView(directory: ViewedDirectory): DirectoryView {
  const { vpn, masters, subsets, acting, drains, backboneKey, keying } = directory;
  const actingOf = new Map(acting.map((record) => [record.subset, record]));
  const drainOf = new Map(drains.map((record) => [record.master, record]));
  const drained = new Set(drainOf.keys());
  return {
    vpn: {
      name: vpn.name,
      id: vpn.id,
      prefixes: [vpn.ipv4, vpn.ipv6],
      keying: keying ?? vpn.keying,
      lifetimes: vpn.lifetimes,
      createdAtMs: vpn.createdAtMs,
    },
    ...(backboneKey ? { backboneKey: ageOf(backboneKey) } : {}),
    masters: byName(masters).map(({ name, control }) => {
      const drain = drainOf.get(name);
      return { name, control, ...(drain ? { drainedSinceMs: drain.atMs } : {}) };
    }),
    subsets: byName(subsets).map((record) =>
      subsetView(record, actingOf.get(record.name), drained),
    ),
  };
}

/** Nothing else of a key leaves the masters. */
function ageOf({
  epoch,
  createdAtMs,
}: NonNullable<ViewedDirectory['backboneKey']>): DirectoryView['backboneKey'] {
  return { epoch, createdAtMs };
}

function subsetView(
  record: SubsetRecord,
  now: ActingRecord | undefined,
  drained: ServingMasters['drained'],
): DirectoryView['subsets'][number] {
  const { name, acting: home, backups, region } = record;
  const acting = now?.master ?? home;
  const serving = { home, acting, backups, drained };
  return {
    name,
    home,
    acting,
    ...(now ? { actingSinceMs: now.sinceMs, change: now.change } : {}),
    backups,
    blocks: blockPairs(record).map((pair) => blockView(pair, serving)),
    ...(region === undefined ? {} : { region }),
  };
}

function blockView(
  { ordinal, ipv4, ipv6 }: BlockPair,
  serving: ServingMasters,
): DirectoryView['subsets'][number]['blocks'][number] {
  return { prefixes: [ipv4, ipv6], order: [...preferenceOrder(serving, ordinal)] };
}

function byName<T extends { readonly name: string }>(records: readonly T[]): readonly T[] {
  return records.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
