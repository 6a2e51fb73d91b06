import type { MasterMessage, View } from '../api/messages.ts';

export type ViewChange = Extract<MasterMessage, { type: 'view' | 'key-changed' }>;

export interface FoldedView {
  /** The newest view; the one given when nothing was newer. */
  readonly view: View;
  /** A change was made to a view that this member does not have: the whole one must be asked for. */
  readonly hasGap: boolean;
  /** The awaited answer was among the changes. */
  readonly isAnswered: boolean;
}

/**
 * Takes in changes in the order in which they came. Whatever is not newer than what the member has
 * is ignored, so a repeated or late message changes nothing.
 *
 * The one exception is the whole view that answers this member's own `hello`: it counts whatever its
 * revision. A master whose store was lost and restored from a backup has only older revisions, and a
 * member that insisted on its newer key could talk to nobody any more. It gives a hostile master
 * nothing: the acting master makes the keys, and could send an old one under a new revision.
 *
 * @param awaitsAnswer whether a `hello` was sent and not answered with a view yet
 */
export function foldViewChanges(
  view: View,
  changes: readonly ViewChange[],
  awaitsAnswer: boolean,
): FoldedView {
  const at = awaitsAnswer ? changes.findIndex(({ type }) => type === 'view') : -1;
  const answer = changes[at];
  // The master sent the whole view after what came before it, so it includes that.
  if (answer?.type === 'view') {
    return { ...foldNewer(answer.view, changes.slice(at + 1)), isAnswered: true };
  }
  return { ...foldNewer(view, changes), isAnswered: false };
}

function foldNewer(view: View, changes: readonly ViewChange[]): Omit<FoldedView, 'isAnswered'> {
  let folded = view;
  let heardRevision = view.revision;
  for (const change of changes) {
    const { revision } = change.type === 'view' ? change.view : change;
    heardRevision = Math.max(heardRevision, revision);
    if (revision <= folded.revision) continue;
    if (change.type === 'view') {
      folded = change.view;
    } else if (change.previousRevision === folded.revision && change.key.epoch > folded.key.epoch) {
      folded = { ...folded, revision, key: change.key };
    }
  }
  return { view: folded, hasGap: heardRevision > folded.revision };
}

export function isViewChange(message: MasterMessage): message is ViewChange {
  return message.type === 'view' || message.type === 'key-changed';
}
