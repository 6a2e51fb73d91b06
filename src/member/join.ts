import type { AdmittedMessage, JoinMessage } from '../api/messages.ts';
import { HanseError } from '../model/error.ts';
import { Backoff } from '../runtime/backoff.ts';
import type { Log } from '../runtime/log.ts';
import type { InviteClaims } from '../trust/invite-token.ts';
import {
  contactMaster,
  type FirstContact,
  type FirstContactDependencies,
  type FirstContactOptions,
} from './first-contact.ts';
import type { OpenSession } from './held-session.ts';
import { trustedMastersOf } from './master-trust.ts';
import type { MemberIdentity } from './member-directory.ts';
import { isRefusal, MemberError } from './member-error.ts';
import { type MembershipState, type PendingJoin, slotsFor } from './membership-files.ts';
import { checkOwnChain } from './own-chain.ts';
import { refusal, unexpected } from './session.ts';

/** Somebody sits before the screen: the first seconds matter most. */
const joinBackoff = { minMs: 200, maxMs: 15_000 };

export interface JoinOptions {
  readonly membership: string;
  readonly pending: PendingJoin;
  readonly invite: InviteClaims;
  readonly identity: MemberIdentity;
  readonly earlier?: NonNullable<FirstContactOptions['earlier']>;
}

export interface JoinDependencies extends FirstContactDependencies {
  readonly log: Log;
  readonly random: () => number;
}

/** An answered join: nothing of it is on the disk yet. */
export interface Joined {
  readonly state: MembershipState;
  readonly session: OpenSession;
}

/**
 * Presents the invite until a master has answered it. The same pending join may be presented again
 * after a crash or a lost answer, and is answered the same (`messages.ts`).
 * @throws MemberError `join-refused` or `untrusted-master` when trying again cannot help; the
 *   signal's reason when it is aborted
 */
export async function joinUntilAnswered(
  options: JoinOptions,
  dependencies: JoinDependencies,
  signal: AbortSignal,
): Promise<Joined> {
  const { clock, log, random } = dependencies;
  const backoff = new Backoff(joinBackoff, random);
  for (;;) {
    const result = await tryEndpoints(options, dependencies, signal);
    if ('joined' in result) return result.joined;
    const { error } = result;
    if (!isWorthRetrying(error)) throw joinError(options.membership, error);
    log.warn({ membership: options.membership, ...codesOf(error) }, 'join not answered yet');
    log.debug({ membership: options.membership, err: error }, 'last join attempt');
    await clock.sleep(backoff.nextDelayMs(), signal);
  }
}

/** What may be logged at `warn`: codes, and no text of a master's. */
function codesOf(error: unknown): { readonly code: string; readonly refusal?: unknown } {
  if (!(error instanceof HanseError)) return { code: 'unknown' };
  const { refusal } = error.fields;
  return refusal === undefined ? { code: error.code } : { code: error.code, refusal };
}

type RoundResult = { readonly joined: Joined } | { readonly error: unknown };

/** Every endpoint of the invite once. Of several failures, one that time may heal counts most. */
async function tryEndpoints(
  options: JoinOptions,
  dependencies: JoinDependencies,
  signal: AbortSignal,
): Promise<RoundResult> {
  let failure: unknown;
  for (const contact of options.invite.control) {
    try {
      const first = await contactMaster({ ...options, contact }, dependencies, signal);
      const state = await present(first, options, dependencies.clock.nowMs(), signal);
      return { joined: { state, session: { ...first, master: contact.master } } };
    } catch (error) {
      signal.throwIfAborted();
      // The roll has spoken: another master would read the same in it.
      if (isRefusal(error) && !isWorthRetrying(error)) return { error };
      if (failure === undefined || isWorthRetrying(error)) failure = error;
    }
  }
  return { error: failure };
}

/** Sends the join and checks the answer. Closes the session unless it is answered well. */
async function present(
  { connection, rootCertificate }: FirstContact,
  options: JoinOptions,
  nowMs: number,
  signal: AbortSignal,
): Promise<MembershipState> {
  const close = () => void connection[Symbol.asyncDispose]();
  signal.addEventListener('abort', close, { once: true });
  try {
    connection.send(joinMessage(options.pending));
    const answer = await connection.receiveOne();
    if (answer.type === 'refused') throw refusal(answer);
    if (answer.type !== 'admitted') throw unexpected(connection.endpoint, answer.type);
    return await acceptAdmission(answer, rootCertificate, options, nowMs);
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener('abort', close);
  }
}

function joinMessage({ token, name, keys }: PendingJoin): JoinMessage {
  return { type: 'join', token, name, keys: { acting: keys.acting.publicKey } };
}

/** @throws MemberError `bad-message`, `untrusted-master` */
async function acceptAdmission(
  { place, chain, view }: AdmittedMessage,
  rootCertificate: string,
  { invite, pending, identity }: JoinOptions,
  nowMs: number,
): Promise<MembershipState> {
  if (place.vpn.name !== invite.vpn || place.subset !== invite.subset) {
    throw new MemberError(
      `the master admitted this member to ${place.vpn.name}.${place.subset}, but the invite is for ${invite.vpn}.${invite.subset}`,
      { code: 'bad-message', retryable: true },
    );
  }
  const { identityKey } = identity;
  const wireguardKey = pending.keys.acting.publicKey;
  await checkOwnChain(chain, { place, rootCertificate, identityKey, wireguardKey, nowMs });
  await trustedMastersOf(view, { vpn: invite.vpn, rootCertificate, nowMs });
  const { keys } = pending;
  const slots = slotsFor(view, []);
  return { version: 1, joinedAtMs: nowMs, keys, rootCertificate, place, chain, view, slots };
}

function isWorthRetrying(error: unknown): boolean {
  return error instanceof HanseError && error.retryable;
}

function joinError(membership: string, error: unknown): unknown {
  if (!(error instanceof MemberError) || error.code !== 'refused') return error;
  const { refusal: code = 'unknown' } = error.fields;
  return new MemberError(`joining ${membership} failed: ${error.message}`, {
    code: 'join-refused',
    fields: { membership, refusal: code },
    cause: error,
  });
}
