import { HanseError } from '../model/error.ts';
import type { SubsetName } from '../model/names.ts';

/**
 * - `not-acting`: this master does not act for the subset, or no longer. Fields: `subset`, `acting`. Retryable at the acting one.
 * - `conflict`: somebody changed the record at the same time; retryable where it says so. Fields: `key`, or `revision` of the placement policy.
 * - `no-such-subset`, `no-such-member`, `no-such-invite`, `no-such-operator`: Fields: the name.
 * - `not-connected`: the member has no session here. Fields: `member`.
 * - `not-active`: the member is not in the roll any more. Fields: `member`, `state`.
 * - `suspended`: the member waits for an operator's confirmation; retryable. Fields: `member`, `subset`.
 * - `refused`: a rule of membership says no; the message says which. Fields: `reason`.
 * - `not-permitted`: the caller's certificate does not allow it.
 * - `busy`: it cannot be done just now, as too much was asked or other masters have not told yet; retryable. Fields: `reason`.
 * - `port-taken`: the master cannot listen where it is configured to. Fields: `port`.
 * - `unreadable-policy`: what places members is not known here; retryable, at another master or when this one is updated. Fields: `revision`.
 * - `no-authority`: the store has no intermediate for this master and subset. Fields: `subset`, `master`.
 */
export type MasterErrorCode =
  | 'not-acting'
  | 'conflict'
  | 'no-such-subset'
  | 'no-such-member'
  | 'no-such-invite'
  | 'no-such-operator'
  | 'not-active'
  | 'not-connected'
  | 'suspended'
  | 'refused'
  | 'not-permitted'
  | 'busy'
  | 'port-taken'
  | 'unreadable-policy'
  | 'no-authority';

export class MasterError extends HanseError<MasterErrorCode> {}

/** Of who held the subset's lease before. */
export function noLongerActing(subset: SubsetName): MasterError {
  return new MasterError(`this master no longer acts for ${subset}: ask again`, {
    code: 'not-acting',
    fields: { subset },
    retryable: true,
  });
}

/** Of a record that is not as it was read. @param key in the store */
export function changedMeanwhile(key: string): MasterError {
  return new MasterError('the record was changed by somebody else at the same time: ask again', {
    code: 'conflict',
    fields: { key },
    retryable: true,
  });
}
