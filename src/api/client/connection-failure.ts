import { ClientError, type ClientErrorCode } from './client-error.ts';
import type { KnownMaster } from './operator-profile.ts';

/** What OpenSSL and Node say when the other end's certificate is not one that we accept. */
const untrusted = /^(ERR_TLS_|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|INVALID_|PATH_LENGTH)/;
/** An alert about our certificate (RFC 8446 §6.2). */
const refusedCredentials = /^ERR_SSL_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR)/;

/** Says why no connection was made: which master it was, where, and what is known of the reason. */
export function connectionFailure(master: KnownMaster, error: unknown): ClientError {
  const { code = '', name, message } = error as NodeJS.ErrnoException;
  if (untrusted.test(code)) {
    const claim = 'did not prove that it is that master of this VPN';
    return failure(master, 'untrusted-master', `${claim} (${message})`, error);
  }
  if (refusedCredentials.test(code)) return credentialsRefused(master, error);
  const reason = name === 'TimeoutError' ? 'no answer in time' : (reasons[code] ?? message);
  return failure(master, 'unreachable', `is out of reach: ${reason}`, error);
}

/** Says why a connection that was made brought no answer. */
export function answerFailure(master: KnownMaster, error: unknown): ClientError {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (refusedCredentials.test(code)) return credentialsRefused(master, error);
  const what =
    'closed the connection without an answer: whether it did what was asked is not known';
  return failure(master, 'interrupted', what, error);
}

/** Says that a master does not accept the operator's certificate. */
export function credentialsRefused(master: KnownMaster, cause: unknown): ClientError {
  const what =
    "does not accept this operator's certificate: make a new one with `hanse operator create`";
  return failure(master, 'credentials-refused', what, cause);
}

function failure(
  master: KnownMaster,
  code: ClientErrorCode,
  what: string,
  cause: unknown,
): ClientError {
  return new ClientError(`master ${master.name} at ${master.control} ${what}`, {
    code,
    retryable: code === 'unreachable' || code === 'interrupted',
    fields: { master: master.name, address: master.control },
    cause,
  });
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name could not be looked up',
  ETIMEDOUT: 'no answer in time',
  ECONNRESET: 'it closed the connection',
};
