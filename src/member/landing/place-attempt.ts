import { HanseError } from '../../model/error.ts';
import { MemberError } from '../member-error.ts';

/**
 * - `declined`: the subset does not take this node: another one may.
 * - `silent`: nobody there has answered, or not yet; it may have joined.
 * - `expired`: the place was kept long enough.
 * - `final`: no other place would help.
 */
export type AttemptOutcome = 'declined' | 'silent' | 'expired' | 'final';

const outcomes: Readonly<Record<string, AttemptOutcome>> = {
  'claim-expired': 'expired',
  // What the newcomer has to do something about itself.
  banned: 'final',
  'name-taken': 'final',
  cancelled: 'final',
  'wrong-master': 'silent',
  unavailable: 'silent',
  suspended: 'silent',
};

/** What a join that failed at a place means. */
export function judgeAttempt(error: unknown): AttemptOutcome {
  if (!(error instanceof MemberError)) {
    return error instanceof HanseError && error.retryable ? 'silent' : 'final';
  }
  if (error.code === 'join-refused') return outcomes[String(error.fields['refusal'])] ?? 'declined';
  if (error.code === 'untrusted-master') return 'declined';
  return error.retryable ? 'silent' : 'final';
}
