import { HanseError } from '../../model/error.ts';
import type { Problem } from '../problem.ts';

/** HTTP statuses of error codes (RFC 9110 §15); what is not listed is the server's own failure. */
const statusOfCode: Readonly<Record<string, number>> = {
  invalid: 400,
  'not-permitted': 403,
  'no-such-subset': 404,
  'no-such-member': 404,
  'no-such-invite': 404,
  'no-such-operator': 404,
  'no-such-endpoint': 404,
  conflict: 409,
  'not-active': 409,
  'not-connected': 409,
  suspended: 409,
  refused: 409,
  'not-acting': 421,
  busy: 503,
  unavailable: 503,
};

export interface ProblemReply {
  readonly status: number;
  readonly problem: Problem;
  /** Whether the caller could not have avoided it, so that it belongs in the log. */
  readonly isOurs: boolean;
}

/** What to answer to a failed request. Only what a `HanseError` says is shown. */
export function problemOf(error: unknown): ProblemReply {
  const status = error instanceof HanseError ? statusOfCode[error.code] : clientErrorStatus(error);
  if (error instanceof HanseError && status !== undefined) {
    const { code, message, retryable, fields } = error;
    return { status, problem: { code, message, retryable, fields: { ...fields } }, isOurs: false };
  }
  if (status !== undefined && error instanceof Error) {
    return {
      status,
      problem: { code: 'invalid', message: error.message, retryable: false },
      isOurs: false,
    };
  }
  const message = 'the master could not do this; its log says why';
  return { status: 500, problem: { code: 'internal', message, retryable: true }, isOurs: true };
}

/** The HTTP framework's own complaints about a request: too large, not JSON, and the like. */
function clientErrorStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const { statusCode } = error;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
    ? statusCode
    : undefined;
}
