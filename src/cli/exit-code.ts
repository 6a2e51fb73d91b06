import { HanseError } from '../model/error.ts';

/**
 * How a command ended, as its exit status says it.
 * - 0: done. 1: failed, or done in part.
 * - 2: the command, an option or a file is not right; running it again unchanged is useless.
 * - 3: refused: not permitted, not a member, or a key that does not fit.
 * - 4: out of reach or busy; running it again unchanged may succeed.
 * - 5: a member daemon has no membership, or none left; starting it again is useless.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5;

/** For the help of every command; only the member daemon ends with 5. */
export const exitCodeHelp =
  '0 done, 1 failed, 2 bad usage or input, 3 refused, 4 unreachable (try again)';

const badInputCodes = new Set([
  'invalid',
  'unknown-subset',
  'unknown-master',
  'unknown-region',
  'wrong-region',
  'malformed',
  'unknown-version',
  'bad-backup',
  'not-empty',
]);

/** Codes that say that somebody, or a check of a key, a certificate or an invite, said no. */
const refusalCodes = new Set([
  'expired',
  'not-yet-valid',
  'forged',
  'untrusted',
  'wrong-sealing-key',
  'tampered',
  'credentials-refused',
  'untrusted-master',
  'no-root-key',
  'wrong-root-key',
  'unbound-masters',
  'no-profile',
  'join-refused',
  'refused',
  'not-permitted',
]);

/** The exit status for an error that ended a command. */
export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof HanseError)) return 1;
  if (error.retryable) return 4;
  if (error.code === 'nothing-to-run') return 5;
  if (refusalCodes.has(error.code) || statusOf(error) === 401 || statusOf(error) === 403) return 3;
  return badInputCodes.has(error.code) || statusOf(error) === 400 ? 2 : 1;
}

function statusOf(error: HanseError): unknown {
  return 'status' in error ? error.status : undefined;
}
