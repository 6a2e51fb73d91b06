import type { SessionState } from '../api/member-local.ts';
import type { MasterContact, RefusalCode } from '../api/messages.ts';
import { describeError, HanseError } from '../model/error.ts';
import { dnsNameOf, type MasterName } from '../model/names.ts';
import { Backoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { type ControlConnection, upgradeToSession } from './control-connection.ts';
import type { ControlCounts } from './control-counts.ts';
import { MemberError } from './member-error.ts';
import type { Membership } from './membership.ts';
import type { MembershipEndReason, Tombstone } from './membership-files.ts';
import { followSession } from './session.ts';
import { connectToKnownMaster, withConnectTimeout } from './tls-connection.ts';

/** A blip is over at once; a master that is down is asked by each of its members every 8 s or so. */
const reconnectBackoff = { minMs: 200, maxMs: 15_000 };
/** A session that lasted longer was no failure of ours: the next attempts start quickly again. */
const settledSessionMs = 15_000;
/** How long a master may take to record a departure. */
const leaveTimeoutMs = 10_000;

export interface LoopDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly counts: ControlCounts;
}

export interface LoopStatus {
  readonly state: SessionState;
  readonly sinceMs: number;
  readonly master?: MasterName;
  readonly lastError?: string;
  readonly reconnects: number;
}

/** An open session and the master at its other end. */
export interface OpenSession {
  readonly master: MasterName;
  readonly connection: ControlConnection;
}

/**
 * Keeps one membership in touch with its masters until it is over. `SessionState` says what its
 * states mean:
 *
 *     connecting ─► resuming ─► live
 *         ▲            └──┬──────┘      `ended` is reached from any of them by the master's word or
 *         └── waiting ◄───┘             by `forget`
 */
export class MembershipLoop {
  readonly membership: Membership;
  readonly #dependencies: LoopDependencies;
  readonly #backoff: Backoff;
  readonly #forgotten = new AbortController();
  readonly #ended = Promise.withResolvers<MembershipEndReason>();
  #status: LoopStatus;
  #open: OpenSession | undefined;
  #lastFailure: unknown;

  constructor(membership: Membership, dependencies: LoopDependencies) {
    this.membership = membership;
    this.#dependencies = dependencies;
    this.#backoff = new Backoff(reconnectBackoff, dependencies.random);
    const sinceMs = dependencies.clock.nowMs();
    this.#status = { state: 'connecting', sinceMs, reconnects: 0 };
    // Only `leave` waits for it, and a stop rejects it for nobody.
    this.#ended.promise.catch(() => {});
  }

  get status(): LoopStatus {
    return this.#status;
  }

  /**
   * Runs until the membership is over; its keys and its interface are gone then.
   * @param joined the session on which the join was answered, with the host brought up already
   * @throws the signal's reason when it is aborted; the membership stays as it is then
   */
  async run(signal: AbortSignal, joined?: OpenSession): Promise<Tombstone> {
    const stop = AbortSignal.any([signal, this.#forgotten.signal]);
    try {
      const reason = await this.#untilEnded(stop, joined);
      return await this.#finish(reason);
    } catch (error) {
      if (this.#forgotten.signal.aborted && !signal.aborted) return await this.#finish('forgotten');
      this.#ended.reject(error);
      throw error;
    }
  }

  /**
   * Asks the master to take the member off the roll and waits until it is done.
   * @throws MemberError `not-connected`
   */
  async leave(): Promise<MembershipEndReason> {
    if (!this.#open || this.#status.state !== 'live') throw this.#notConnected();
    this.#open.connection.send({ type: 'leave' });
    const answered = new AbortController();
    const tooLate = this.#dependencies.clock
      .sleep(leaveTimeoutMs, answered.signal)
      .then(() => Promise.reject(this.#notConnected()));
    try {
      return await Promise.race([this.#ended.promise, tooLate]);
    } finally {
      tooLate.catch(() => {});
      answered.abort();
    }
  }

  /** Drops the membership without a word to any master. */
  async forget(): Promise<MembershipEndReason> {
    this.#forgotten.abort();
    return await this.#ended.promise;
  }

  async #untilEnded(signal: AbortSignal, joined?: OpenSession): Promise<MembershipEndReason> {
    let attempt = joined
      ? this.#attempt(() => this.#hold(joined, { signal, isJoined: true }), signal)
      : this.#tryMasters(signal);
    for (;;) {
      const reason = await attempt;
      if (reason) return reason;
      this.#enter('waiting');
      await this.#dependencies.clock.sleep(this.#backoff.nextDelayMs(), signal);
      this.#status = { ...this.#status, reconnects: this.#status.reconnects + 1 };
      attempt = this.#tryMasters(signal);
    }
  }

  /** One round: the host as the stored view has it, then the acting master, then its backups. */
  async #tryMasters(signal: AbortSignal): Promise<MembershipEndReason | undefined> {
    const isUp = await this.#attempt(async () => {
      await this.membership.bringUp();
      return true;
    }, signal);
    if (!isUp) return undefined;
    const { acting, backups } = this.membership.state.view;
    for (const master of [acting, ...backups]) {
      this.#enter('connecting', master.name);
      const connection = await this.#attempt(() => this.#connect(master, signal), signal);
      if (!connection) continue;
      const open = { master: master.name, connection };
      const options = { signal, isJoined: false };
      const reason = await this.#attempt(() => this.#hold(open, options), signal);
      // A session that broke is looked for again where it was; a backup would only send us back.
      if (reason || !isRefusal(this.#lastFailure)) return reason;
    }
    return undefined;
  }

  /** Runs one step; what fails is told in the status and the log. @throws when aborted */
  async #attempt<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      signal.throwIfAborted();
      this.#failed(error);
      return undefined;
    }
  }

  #connect({ name, control }: MasterContact, signal: AbortSignal): Promise<ControlConnection> {
    const { clock, counts } = this.#dependencies;
    const { place, rootCertificate } = this.membership.state;
    const dnsName = dnsNameOf({ kind: 'master', vpn: place.vpn.name, name });
    const target = { endpoint: control, dnsName, rootCertificate };
    return withConnectTimeout({ endpoint: control, clock, signal }, async (inTime) => {
      const socket = await connectToKnownMaster(target, this.membership.credentials, inTime);
      const options = { endpoint: control, clock, ...counts.of(`master:${name}`) };
      return await upgradeToSession(socket, options, inTime);
    });
  }

  /** @throws MemberError when the session is over and the membership is not */
  async #hold(
    open: OpenSession,
    { signal, isJoined }: { readonly signal: AbortSignal; readonly isJoined: boolean },
  ): Promise<MembershipEndReason> {
    const { clock, random } = this.#dependencies;
    await using connection = open.connection;
    const close = () => void connection[Symbol.asyncDispose]();
    signal.addEventListener('abort', close, { once: true });
    const openedMs = clock.monotonicMs();
    this.#open = open;
    this.#enter('resuming', open.master);
    const onLive = () => {
      if (this.#open === open) this.#enter('live', open.master);
    };
    try {
      const options = { membership: this.membership, connection, isJoined };
      return await followSession(options, { clock, random, onLive });
    } catch (error) {
      if (isRefusal(error, 'not-a-member') && this.membership.hasExpired()) return 'expired';
      throw error;
    } finally {
      signal.removeEventListener('abort', close);
      this.#open = undefined;
      if (clock.monotonicMs() - openedMs >= settledSessionMs) this.#backoff.reset();
    }
  }

  async #finish(reason: MembershipEndReason): Promise<Tombstone> {
    const tombstone = await this.membership.end(reason);
    this.#enter('ended');
    this.#dependencies.log.info({ membership: this.membership.name, reason }, 'membership ended');
    this.#ended.resolve(reason);
    return tombstone;
  }

  #enter(state: SessionState, master?: MasterName): void {
    const { lastError, reconnects } = this.#status;
    this.#status = {
      state,
      sinceMs: this.#dependencies.clock.nowMs(),
      reconnects,
      ...(master === undefined ? {} : { master }),
      // A session that is live has overcome whatever went before.
      ...(lastError === undefined || state === 'live' ? {} : { lastError }),
    };
    const fields = { membership: this.membership.name, state, master };
    // Who governs a member at the time is what its operator looks for in a log; the way there is not.
    this.#dependencies.log[state === 'live' ? 'info' : 'debug'](fields, 'session');
  }

  #failed(error: unknown): void {
    this.#lastFailure = error;
    this.#status = { ...this.#status, lastError: describeError(error) };
    const code = error instanceof HanseError ? error.code : 'unknown';
    const fields = { membership: this.membership.name, code };
    // What a master says is no text for `warn` (see `log.ts`).
    if (isExpected(error)) this.#dependencies.log.debug({ ...fields, err: error }, 'session ended');
    else this.#dependencies.log.warn(fields, 'session ended');
  }

  #notConnected(): MemberError {
    const { name } = this.membership;
    return new MemberError(
      `no master has taken the departure of ${name}: try again when its session is live, or only forget it here`,
      { code: 'not-connected', fields: { membership: name }, retryable: true },
    );
  }
}

function isRefusal(error: unknown, code?: RefusalCode): boolean {
  if (!(error instanceof MemberError) || error.code !== 'refused') return false;
  const { refusal } = error.fields;
  return code === undefined || refusal === code;
}

/** Masters come and go; what else ends a session somebody should know of. */
function isExpected(error: unknown): boolean {
  return (
    error instanceof MemberError && (error.code === 'unreachable' || error.code === 'session-lost')
  );
}
