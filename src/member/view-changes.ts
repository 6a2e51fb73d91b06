import type { MasterMessage, View } from '../api/messages.ts';

type ViewChange = Extract<MasterMessage, { type: 'view' | 'key-changed' }>;

export interface FoldedView {
  /** The newest view; the one given when nothing was newer. */
  readonly view: View;
  /** A change was made to a view that this member does not have: the whole one must be asked for. */
  readonly hasGap: boolean;
}

/**
 * Takes in changes in the order in which they came. Whatever is not newer than what the member has
 * is ignored, so a repeated or late message changes nothing and a view never moves back.
 *
 * @param appliedRevision what counts as had; it may be below `view.revision`, when the view at hand
 *   may not be used and the same one must be accepted anew
 */
export function foldViewChanges(
  view: View,
  appliedRevision: number,
  changes: readonly ViewChange[],
): FoldedView {
  let folded = view;
  let hadRevision = appliedRevision;
  let heardRevision = appliedRevision;
  for (const change of changes) {
    const { revision } = change.type === 'view' ? change.view : change;
    heardRevision = Math.max(heardRevision, revision);
    if (revision <= hadRevision) continue;
    if (change.type === 'view') {
      folded = change.view;
    } else if (change.previousRevision === hadRevision && change.key.epoch > folded.key.epoch) {
      folded = { ...folded, revision, key: change.key };
    } else continue;
    hadRevision = revision;
  }
  return { view: folded, hasGap: heardRevision > hadRevision };
}

export function isViewChange(message: MasterMessage): message is ViewChange {
  return message.type === 'view' || message.type === 'key-changed';
}
