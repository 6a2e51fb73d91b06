import type { MasterContact, View } from '../../api/messages.ts';
import type { SubsetName } from '../../model/names.ts';
import type { Directory, KnownMaster } from '../directory/directory.ts';
import type { StoredGroupKey } from '../group-key-store.ts';
import { MasterError } from '../master-error.ts';

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

  /** The newest view. @throws MasterError `not-acting` before there was one */
  current(subset: SubsetName): View {
    const view = this.#views.get(subset);
    if (view) return view;
    throw new MasterError(`this master does not act for ${subset} yet: ask again`, {
      code: 'not-acting',
      fields: { subset },
      retryable: true,
    });
  }

  /** Builds the view anew. @returns undefined when it says what the last one said */
  update(subset: SubsetName, key: StoredGroupKey): ViewStep | undefined {
    const known = this.#directory.subsets.get(subset);
    const acting = known && this.#directory.masters.get(known.record.acting);
    if (!known || !acting) return undefined;
    const backups = known.record.backups
      .map((name) => this.#directory.masters.get(name))
      .filter((master) => master !== undefined);
    const before = this.#views.get(subset);
    const contacts = { acting: contactOf(acting), backups: backups.map(contactOf) };
    const onlyKey = before !== undefined && sameContacts(before, contacts);
    if (onlyKey && before.key.epoch === key.epoch) return undefined;
    const revisions = [
      key.revision,
      known.revision,
      acting.revision,
      ...backups.map(({ revision }) => revision),
    ];
    const view: View = {
      revision: Math.max(...revisions, before?.revision ?? 0),
      ...contacts,
      key: { epoch: key.epoch, groupKey: key.groupKey },
    };
    this.#views.set(subset, view);
    return { view, previousRevision: before?.revision ?? 0, onlyKey };
  }

  forget(subset: SubsetName): void {
    this.#views.delete(subset);
  }
}

function sameContacts(view: View, contacts: Pick<View, 'acting' | 'backups'>): boolean {
  return (
    JSON.stringify([view.acting, view.backups]) ===
    JSON.stringify([contacts.acting, contacts.backups])
  );
}

function contactOf({ record }: KnownMaster): MasterContact {
  const { name, control, wireguard, chain } = record;
  return { name, control, wireguard: { host: wireguard.host, port: wireguard.membersPort }, chain };
}
