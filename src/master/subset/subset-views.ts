import type { MasterContact, View } from '../../api/messages.ts';
import { failoverSpreadMs } from '../../core/failover-spread.ts';
import { rendezvousPort } from '../../core/gateway-plan.ts';
import { preferenceOrders } from '../../core/master-preference.ts';
import type { SubsetName } from '../../model/names.ts';
import type { Directory, Known, KnownMaster } from '../directory/directory.ts';
import { MasterError } from '../master-error.ts';
import type { ServedSubset } from './served-subset.ts';

/** A view, and the one that it followed. */
export interface ViewStep {
  readonly view: View;
  /** Revision of the view before; 0 for the first. */
  readonly previousRevision: number;
  /** Whether only the key is new since then. */
  readonly onlyKey: boolean;
}

/** What the members of each subset have to know, kept so that a view that says nothing new is not sent. */
export class SubsetViews {
  readonly #directory: Directory;
  readonly #views = new Map<SubsetName, View>();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /**
   * The newest view. Its `spreadMs` follows the roll at any time, for whoever joins or comes back; it is
   * no reason for a new view, because heartbeats bring it to all others.
   * @throws MasterError `not-acting` before there was one
   */
  current({ subset, roll }: Pick<ServedSubset, 'subset' | 'roll'>): View {
    const view = this.#views.get(subset);
    if (view) return { ...view, spreadMs: failoverSpreadMs(roll.activeCount) };
    throw new MasterError(`this master does not serve ${subset} yet: ask again`, {
      code: 'not-acting',
      fields: { subset },
      retryable: true,
    });
  }

  /** Builds the view anew. @returns undefined when it says what the last one said */
  update({ subset, key, roll }: ServedSubset): ViewStep | undefined {
    const masters = this.#masters(subset);
    if (!masters) return undefined;
    const before = this.#views.get(subset);
    const { acting, backups, orders } = masters;
    const { keying, keyingPhase } = this.#directory;
    const onlyKey =
      before !== undefined && before.keying === keyingPhase && sameMasters(before, masters);
    if (onlyKey && before.key.epoch === key.epoch) return undefined;
    // Of two stores perhaps, so that only the sum grows whichever of them has changed.
    const revision = key.revision + Math.max(masters.revision, keying?.revision ?? 0);
    const view: View = {
      revision: before ? Math.max(revision, before.revision + 1) : revision,
      acting,
      backups,
      orders,
      spreadMs: failoverSpreadMs(roll.activeCount),
      key: { epoch: key.epoch, groupKey: key.groupKey },
      keying: keyingPhase,
    };
    this.#views.set(subset, view);
    return { view, previousRevision: before?.revision ?? 0, onlyKey };
  }

  forget(subset: SubsetName): void {
    this.#views.delete(subset);
  }

  /** What the directory says of the subset's masters, and the revision of the newest record that it is made of. */
  #masters(
    subset: SubsetName,
  ): (Pick<View, 'acting' | 'backups' | 'orders'> & { revision: number }) | undefined {
    const { subsets, actings, drains, masters } = this.#directory;
    const known = subsets.get(subset);
    const serving = this.#directory.servingMasters(subset);
    const acting = serving && masters.get(serving.acting);
    if (!known || !acting) return undefined;
    const names = [serving.home, ...serving.backups];
    const backups = names
      .filter((name) => name !== serving.acting)
      .flatMap((name) => masters.get(name) ?? []);
    const contacts = [acting, ...backups];
    const reachable = new Set(contacts.map(({ record }) => record.name));
    const records: (Known<unknown> | undefined)[] = [
      known,
      actings.get(subset),
      ...contacts,
      ...names.map((name) => drains.get(name)),
    ];
    return {
      acting: contactOf(acting),
      backups: backups.map(contactOf),
      orders: preferenceOrders(serving).map((order) => order.filter((name) => reachable.has(name))),
      revision: Math.max(...records.map((record) => record?.revision ?? 0)),
    };
  }
}

type Masters = Pick<View, 'acting' | 'backups' | 'orders'>;

function sameMasters(view: Masters, masters: Masters): boolean {
  const facts = ({ acting, backups, orders }: Masters) => JSON.stringify([acting, backups, orders]);
  return facts(view) === facts(masters);
}

function contactOf({ record }: KnownMaster): MasterContact {
  const { name, control, wireguard, chain } = record;
  const { host, membersPort: port } = wireguard;
  return {
    ...{ name, control, chain },
    wireguard: { host, port, rendezvousPort: rendezvousPort(record) },
  };
}
