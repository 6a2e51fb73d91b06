import type { SubsetName } from '../../model/names.ts';
import type { StoredGroupKey } from '../group-key-store.ts';
import type { Roll } from './roll.ts';

/** A subset that this master serves, acting or following: whose members are its members, and with which key. */
export interface ServedSubset {
  readonly subset: SubsetName;
  /** Goes on changing. */
  readonly roll: Roll;
  /** The newest. */
  readonly key: StoredGroupKey;
}
