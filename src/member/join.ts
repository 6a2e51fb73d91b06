import type { AdmittedMessage, JoinMessage } from '../api/messages.ts';
import type { LandMessage } from '../api/placing-messages.ts';
import { HanseError } from '../model/error.ts';
import { Backoff } from '../runtime/backoff.ts';
import type { Log } from '../runtime/log.ts';
import type { ControlContact, InviteClaims } from '../trust/invite-token.ts';
import { askInTurn, exchange, isWorthRetrying } from './ask-masters.ts';
import {
  contactMaster,
  type FirstContact,
  type FirstContactDependencies,
  type FirstContactOptions,
} from './first-contact.ts';
import type { OpenSession } from './held-session.ts';
import { trustedMastersOf } from './master-trust.ts';
import type { MemberIdentity } from './member-directory.ts';
import { MemberError } from './member-error.ts';
import { type MembershipState, type PendingJoin, slotsFor } from './membership-files.ts';
import { checkOwnChain } from './own-chain.ts';
import { unexpected } from './session.ts';

/** Somebody sits before the screen: the first seconds matter most. */
export const joinBackoff = { minMs: 200, maxMs: 15_000 };

export interface JoinOptions {
  readonly membership: string;
  readonly pending: PendingJoin;
  readonly invite: InviteClaims;
  readonly identity: MemberIdentity;
  readonly earlier?: NonNullable<FirstContactOptions['earlier']>;
  /** What is presented in place of the invite by who was placed in the subset. */
  readonly claim?: string;
  /** For so long it is tried again; for ever where it is left out. */
  readonly patienceMs?: number;
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
 * @throws MemberError `join-refused` or `untrusted-master` when trying again cannot help, and the last
 *   failure when the patience is over; the signal's reason when it is aborted
 */
export async function joinUntilAnswered(
  options: JoinOptions,
  dependencies: JoinDependencies,
  signal: AbortSignal,
): Promise<Joined> {
  const { clock, log, random } = dependencies;
  const backoff = new Backoff(joinBackoff, random);
  const endsMs = clock.monotonicMs() + (options.patienceMs ?? Infinity);
  for (;;) {
    const joined = await tryEndpoints(options, dependencies, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      if (isWorthRetrying(error) && clock.monotonicMs() < endsMs) return { error };
      throw joinError(options.membership, error);
    });
    if ('state' in joined) return joined;
    const { error } = joined;
    log.warn({ membership: options.membership, ...codesOf(error) }, 'join not answered yet');
    log.debug({ membership: options.membership, err: error }, 'last join attempt');
    await clock.sleep(backoff.nextDelayMs(), signal);
  }
}

/** What may be logged at `warn`: codes, and no text of a master's. */
export function codesOf(error: unknown): { readonly code: string; readonly refusal?: unknown } {
  if (!(error instanceof HanseError)) return { code: 'unknown' };
  const { refusal } = error.fields;
  return refusal === undefined ? { code: error.code } : { code: error.code, refusal };
}

/** Every endpoint of the invite once. @throws as `askInTurn` */
function tryEndpoints(
  options: JoinOptions,
  dependencies: JoinDependencies,
  signal: AbortSignal,
): Promise<Joined> {
  const ask = async (contact: ControlContact): Promise<Joined> => {
    const first = await contactMaster({ ...options, contact }, dependencies, signal);
    const state = await present(first, options, dependencies.clock.nowMs(), signal);
    return { state, session: { ...first, master: contact.master } };
  };
  return askInTurn(options.invite.control, ask, signal);
}

/** Sends the join and checks the answer. Closes the session unless it is answered well. */
async function present(
  { connection, rootCertificate }: FirstContact,
  options: JoinOptions,
  nowMs: number,
  signal: AbortSignal,
): Promise<MembershipState> {
  const answer = await exchange(connection, joinMessage(options), signal);
  try {
    if (answer.type !== 'admitted') throw unexpected(connection.endpoint, answer.type);
    return await acceptAdmission(answer, rootCertificate, options, nowMs);
  } catch (error) {
    void connection[Symbol.asyncDispose]();
    throw error;
  }
}

function joinMessage({ pending, claim }: JoinOptions): JoinMessage | LandMessage {
  const { token, name, keys } = pending;
  const wanted = { name, keys: { acting: keys.acting.publicKey } };
  return claim === undefined
    ? { type: 'join', token, ...wanted }
    : { type: 'land', claim, ...wanted };
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
  const own = { keys, rootCertificate, place, chain };
  return { version: 1, joinedAtMs: nowMs, rankMs: nowMs, ...own, view, slots };
}

/** @param besides what else was tried, and did not help */
export function joinError(membership: string, error: unknown, besides?: string): unknown {
  if (!(error instanceof MemberError) || error.code !== 'refused') return error;
  const { refusal: code = 'unknown' } = error.fields;
  const more = besides === undefined ? '' : `; ${besides}`;
  return new MemberError(`joining ${membership} failed: ${error.message}${more}`, {
    code: 'join-refused',
    fields: { membership, refusal: code },
    cause: error,
  });
}
