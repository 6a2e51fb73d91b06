import type { RefusalCode } from '../api/messages.ts';
import { HanseError } from '../model/error.ts';

/**
 * - `corrupt-state`: a file of the directory cannot be read back. Fields: `file`.
 * - `nothing-to-run`: the directory never held a membership. Fields: `directory`.
 * - `no-membership`: nothing of that name. Fields: `membership`.
 * - `already-member`: the directory has a membership of that VPN and subset. Fields: `membership`.
 * - `other-vpn`: a VPN of the same name with another root is known. Fields: `membership`.
 * - `join-refused`: the master refused, and trying again cannot help. Fields: `membership`, `refusal`.
 * - `untrusted-master`: the other end is not who it should be. Fields: `endpoint` or `master`.
 * - `untrusted-peer`: a master has introduced somebody who is not who it says. Fields: `peer`.
 * - `unreachable`: no session with the endpoint; retryable. Fields: `endpoint`.
 * - `session-lost`: the session ended or fell silent; retryable. Fields: `endpoint`; `closeCode` when the
 *   master closed it.
 * - `refused`: the master refused to go on; retryable as it says. Fields: `refusal`.
 * - `bad-message`: the master sent what the protocol does not have here; retryable. Fields: `endpoint`.
 * - `not-connected`: the request needs a session and there is none; retryable. Fields: `membership`.
 */
export type MemberErrorCode =
  | 'corrupt-state'
  | 'nothing-to-run'
  | 'no-membership'
  | 'already-member'
  | 'other-vpn'
  | 'join-refused'
  | 'untrusted-master'
  | 'untrusted-peer'
  | 'unreachable'
  | 'session-lost'
  | 'refused'
  | 'bad-message'
  | 'not-connected';

export class MemberError extends HanseError<MemberErrorCode> {}

/** Whether a master refused to go on, for this reason if one is given. */
export function isRefusal(error: unknown, code?: RefusalCode): boolean {
  if (!(error instanceof MemberError) || error.code !== 'refused') return false;
  return code === undefined || error.fields['refusal'] === code;
}
