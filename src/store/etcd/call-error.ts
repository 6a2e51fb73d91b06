import { status } from '@grpc/grpc-js';

export interface CallFailure {
  readonly code: status;
  /** As etcd or gRPC worded it. */
  readonly details: string;
  /** `host:port` of the member that was asked. */
  readonly address: string;
  /** Whether the request has left this process: if not, nobody can have done anything. */
  readonly isSent: boolean;
}

/**
 * What a failure leaves open:
 * - `elsewhere`: nothing has been done; another member, or the same one later, may do it.
 * - `token`: nothing has been done, because our token has run out or was never asked for.
 * - `unknown`: it may have been done, or may yet be.
 * - `refused`: nothing has been done, and nobody else would do it either.
 */
export type Verdict = 'elsewhere' | 'token' | 'unknown' | 'refused';

/** One failed call to one member. It never leaves this folder. */
export class CallError extends Error {
  readonly failure: CallFailure;

  constructor(failure: CallFailure) {
    super(`${failure.address}: ${describe(failure)}`);
    this.name = 'CallError';
    this.failure = failure;
  }

  get verdict(): Verdict {
    return judge(this.failure);
  }

  /** The member's own words, if it was the one that refused. */
  says(words: string): boolean {
    return this.failure.details.includes(words);
  }
}

/**
 * Members refuse with these before they propose anything to the others: `no leader` because we ask
 * them to (see `requireLeader`), the rest by their own limits.
 */
const beforeProposing = [
  'etcdserver: no leader',
  'etcdserver: too many requests',
  'etcdserver: rpc not supported for learner',
];
const badToken = [
  'etcdserver: invalid auth token',
  'etcdserver: user name is empty',
  'etcdserver: revision of auth store is old',
  'auth: revision in header is old',
];
const unknownOutcomes: readonly status[] = [
  status.CANCELLED,
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
];

function judge({ code, details, isSent }: CallFailure): Verdict {
  if (!isSent || beforeProposing.some((words) => details.includes(words))) return 'elsewhere';
  if (badToken.some((words) => details.includes(words))) return 'token';
  return unknownOutcomes.includes(code) ? 'unknown' : 'refused';
}

function describe({ code, details, isSent }: CallFailure): string {
  if (code === status.DEADLINE_EXCEEDED)
    return isSent ? 'no answer in time' : 'no connection in time';
  if (details.includes('etcdserver: no leader')) return 'it has no leader, for lack of a majority';
  const reason = connectionFailure.exec(details)?.[1]?.trim() ?? details;
  const alert = /tls alert ([a-z ]+)/.exec(reason)?.[1];
  if (alert !== undefined)
    return `it does not accept us by TLS (${alert}): it may want a certificate of its own authority, by cert and key`;
  if (/unable to (verify|get)|self-signed/.test(reason))
    return `its certificate is not of an authority that we trust (${reason.split(';')[0]}): name the right one by ca`;
  // Over an open connection that the other end closes at once.
  if (reason === 'Failed to connect')
    return 'it does not speak to us: it may want TLS, with etcds:';
  return reason;
}

/** gRPC's words for a connection that could not be made, of which the reason is what matters. */
const connectionFailure =
  /^No connection established\. Last error: (?:Error: )?(.*?)(?: \(\d{4}-[^)]*\))?(?:\. Resolution note:.*)?$/s;
