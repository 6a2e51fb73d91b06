import { HanseError } from '../../model/error.ts';
import type { Problem } from '../problem.ts';

/**
 * A master's answer that it will not do what was asked. The code is the master's own, as in
 * `problemSchema`; so are the message, the fields and whether to try again.
 */
export class ApiError extends HanseError {
  /** The HTTP status; 403 and 404 tell refusals from other failures. */
  readonly status: number;

  constructor(problem: Problem, status: number) {
    super(problem.message, {
      code: problem.code,
      retryable: problem.retryable,
      fields: problem.fields === undefined ? {} : { details: JSON.stringify(problem.fields) },
    });
    this.status = status;
  }
}

/**
 * There was no answer, or none that can be used.
 * - `unreachable`: no connection, or no answer in time; retryable. Fields: `master`, `address`.
 * - `untrusted-master`: whoever listens there did not prove to be that master of this VPN. Fields: as above.
 * - `credentials-refused`: the master ended the connection as soon as it saw our certificate. Fields: as above.
 * - `interrupted`: the connection ended inside an answer; the outcome is unknown; retryable. Fields: as above.
 * - `bad-reply`: the answer is not what the endpoint defines. Fields: `master`, `endpoint`.
 * - `unknown-subset`, `unknown-master`: the directory has none of that name. Fields: `name`.
 * - `no-master-ready`: several masters of a subset were asked and none did it; retryable when one may later.
 *   Fields: `subset`, `masters`.
 * - `no-masters`: the profile lists no master. Fields: none.
 * - `not-running`: no member daemon serves the local socket. Fields: `address`.
 */
export type ClientErrorCode =
  | 'unreachable'
  | 'untrusted-master'
  | 'credentials-refused'
  | 'interrupted'
  | 'bad-reply'
  | 'unknown-subset'
  | 'unknown-master'
  | 'no-master-ready'
  | 'no-masters'
  | 'not-running';

export class ClientError extends HanseError<ClientErrorCode> {}
