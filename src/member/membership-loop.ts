import type { SessionState } from '../api/member-local.ts';
import type { MasterContact } from '../api/messages.ts';
import type { MasterName } from '../model/names.ts';
import { runUntilAborted } from '../runtime/abort.ts';
import { Backoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { openBetterSession } from './better-session.ts';
import { Carriages } from './carrier/carriages.ts';
import { isSilentLoss } from './control-connection.ts';
import type { ControlCounts } from './control-counts.ts';
import { HeldSession, type OpenSession } from './held-session.ts';
import { connectToMaster } from './master-connector.ts';
import { isRefusal } from './member-error.ts';
import type { Membership } from './membership.ts';
import type { MembershipEndReason, Tombstone } from './membership-files.ts';
import { notConnected } from './membership-problems.ts';
import { type LoopStatus, SessionStatus } from './session-status.ts';
import { keepTickets } from './ticket-keeper.ts';

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

/** A master that went without a word, perhaps with thousands of members. */
interface LostMaster {
  readonly name: MasterName;
  /** By the monotonic clock: when it is this member's turn to ask another one. */
  readonly turnMs: number;
}

/**
 * Keeps one membership in touch with its masters until it is over. `SessionState` says what its
 * states mean:
 *
 *     connecting ─► resuming ─► live
 *         ▲            └──┬──────┘      `ended` is reached from any of them by the master's word or
 *         └── waiting ◄───┘             by `forget`
 *
 * While it is live it may change to a better master without leaving that state (`better-session.ts`).
 */
export class MembershipLoop {
  readonly membership: Membership;
  readonly #dependencies: LoopDependencies;
  readonly #backoff: Backoff;
  readonly #forgotten = new AbortController();
  readonly #ended = Promise.withResolvers<MembershipEndReason>();
  readonly #status: SessionStatus;
  #held: HeldSession | undefined;
  #lost: LostMaster | undefined;

  constructor(membership: Membership, dependencies: LoopDependencies) {
    this.membership = membership;
    this.#dependencies = dependencies;
    this.#backoff = new Backoff(reconnectBackoff, dependencies.random);
    this.#status = new SessionStatus(membership.name, dependencies);
    // Only `leave` waits for it, and a stop rejects it for nobody.
    this.#ended.promise.catch(() => {});
  }

  get status(): LoopStatus {
    return this.#status.now;
  }

  /**
   * Runs until the membership is over; its keys and its interfaces are gone then.
   * @param joined the session on which the join was answered, with the host brought up already
   * @throws the signal's reason when it is aborted; the membership stays as it is then
   */
  async run(signal: AbortSignal, joined?: OpenSession): Promise<Tombstone> {
    const stop = AbortSignal.any([signal, this.#forgotten.signal]);
    const over = new AbortController();
    this.#lookAfterTunnels(AbortSignal.any([stop, over.signal]));
    try {
      const reason = await this.#untilEnded(stop, joined).catch((error: unknown) => {
        if (this.#forgotten.signal.aborted && !signal.aborted) return 'forgotten' as const;
        throw error;
      });
      over.abort();
      return await this.#finish(reason);
    } catch (error) {
      this.#ended.reject(error);
      throw error;
    } finally {
      over.abort();
      await this.membership.settled();
    }
  }

  /**
   * Asks the master to take the member off the roll and waits until it is done.
   * @throws MemberError `not-connected`
   */
  async leave(): Promise<MembershipEndReason> {
    const { name } = this.membership;
    if (!this.#held || this.#status.now.state !== 'live') throw notConnected(name);
    this.#held.connection.send({ type: 'leave' });
    const answered = new AbortController();
    const tooLate = this.#dependencies.clock
      .sleep(leaveTimeoutMs, answered.signal)
      .then(() => Promise.reject(notConnected(name)));
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

  #lookAfterTunnels(signal: AbortSignal): void {
    const { log } = this.#dependencies;
    const onFailure = (error: unknown) => log.error({ err: error }, 'tunnels are not looked after');
    const carriages = new Carriages(this.membership, this.#dependencies);
    void runUntilAborted((until) => carriages.run(until), signal, onFailure);
    void runUntilAborted((until) => this.membership.peers.run(until), signal, onFailure);
    void runUntilAborted(
      (until) => this.membership.mover.run(until, () => this.leave()),
      signal,
      (error) => log.error({ err: error }, 'orders to move are not carried out any more'),
    );
    void runUntilAborted(
      (until) => this.membership.measurer.run(until),
      signal,
      (error) => log.error({ err: error }, 'masters are not measured any more'),
    );
  }

  async #untilEnded(signal: AbortSignal, joined?: OpenSession): Promise<MembershipEndReason> {
    if (joined) {
      const outcome = await this.#follow(this.#hold(joined, true), signal);
      if (typeof outcome === 'string') return outcome;
      await this.#pause(signal);
    }
    for (;;) {
      const reason = await this.#tryMasters(signal);
      if (reason) return reason;
      await this.#pause(signal);
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    this.#status.enter('waiting');
    await this.#dependencies.clock.sleep(this.#backoff.nextDelayMs(), signal);
    this.#status.countReconnect();
  }

  /** One round: the host as the stored view has it, then each master until one takes the member. */
  async #tryMasters(signal: AbortSignal): Promise<MembershipEndReason | undefined> {
    const { membership } = this;
    const isUp = await this.#attempt(async () => {
      await membership.exclusively(() => membership.bringUp());
      return true;
    }, signal);
    if (!isUp) return undefined;
    for (const master of membership.sessionOrder) {
      await this.#waitForTurn(master.name, signal);
      this.#status.enter('connecting', master.name);
      const session = await this.#attempt(() => this.#open(master, signal), signal);
      if (!session) continue;
      const outcome = await this.#follow(session, signal);
      if (typeof outcome === 'string') return outcome;
      // A session that broke is looked for again where it was. A refusal of the first word is no
      // reason to wait: another master may have the authority that this one has lost.
      if (!isRefusal(outcome) || session.ageMs >= settledSessionMs) return undefined;
    }
    return undefined;
  }

  /** Members that have lost their master do not all turn to the same other one in the same instant. */
  async #waitForTurn(master: MasterName, signal: AbortSignal): Promise<void> {
    const { clock } = this.#dependencies;
    if (!this.#lost || this.#lost.name === master) return;
    const waitMs = this.#lost.turnMs - clock.monotonicMs();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  }

  /** Runs one step; what fails is told in the status and the log. @throws when aborted */
  async #attempt<T>(step: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      signal.throwIfAborted();
      this.#status.failed(error);
      return undefined;
    }
  }

  async #open(master: MasterContact, signal: AbortSignal): Promise<HeldSession> {
    const connection = await connectToMaster(master, this.membership, this.#dependencies, signal);
    return this.#hold({ master: master.name, connection }, false);
  }

  #hold(open: OpenSession, isJoined: boolean): HeldSession {
    return new HeldSession({ ...open, membership: this.membership, isJoined }, this.#dependencies);
  }

  /**
   * Follows the session, and the ones that replace it, until one is over and none is in its place.
   * @returns why the membership ended, or the error that only ended the session
   */
  async #follow(first: HeldSession, signal: AbortSignal): Promise<MembershipEndReason | Error> {
    const close = () => void this.#held?.[Symbol.asyncDispose]();
    signal.addEventListener('abort', close, { once: true });
    this.#take(first, 'resuming');
    void first.live.then(() => this.#isLive(first));
    try {
      for (let session = first; ; ) {
        const next = await this.#untilReplaced(session, signal);
        if (!(next instanceof HeldSession)) return next;
        await session[Symbol.asyncDispose]();
        session = next;
      }
    } catch (error) {
      signal.throwIfAborted();
      this.#status.failed(error);
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      signal.removeEventListener('abort', close);
      this.#lose();
    }
  }

  /** @returns the session that is to replace this one, which is open still, or why the membership ended */
  async #untilReplaced(
    session: HeldSession,
    signal: AbortSignal,
  ): Promise<HeldSession | MembershipEndReason> {
    signal.throwIfAborted();
    const over = new AbortController();
    const better = openBetterSession(
      this.membership,
      session.master,
      { ...this.#dependencies, open: (master, stop) => this.#open(master, stop) },
      AbortSignal.any([signal, over.signal]),
    );
    this.#keepTickets(session.master, AbortSignal.any([signal, over.signal]));
    try {
      const next = await Promise.race([session.done, better]);
      if (next instanceof HeldSession) this.#take(next, 'live');
      return next;
    } catch (error) {
      if (isSilentLoss(error)) this.#rememberLost(session.master);
      throw error;
    } finally {
      over.abort();
      better.then(
        (opened) => (this.#held === opened ? undefined : opened[Symbol.asyncDispose]()),
        () => undefined,
      );
    }
  }

  #keepTickets(current: MasterName, signal: AbortSignal): void {
    const { log } = this.#dependencies;
    const onFailure = (error: unknown) => log.error({ err: error }, 'tickets are not kept');
    const task = (stop: AbortSignal) =>
      keepTickets(this.membership, current, this.#dependencies, stop);
    void runUntilAborted(task, signal, onFailure);
  }

  #take(session: HeldSession, state: SessionState): void {
    this.#held = session;
    this.#status.enter(state, session.master);
  }

  #isLive(session: HeldSession): void {
    if (this.#held === session && this.#status.now.state !== 'live')
      this.#status.enter('live', session.master);
  }

  #lose(): void {
    if (this.#held && this.#held.ageMs >= settledSessionMs) this.#backoff.reset();
    void this.#held?.[Symbol.asyncDispose]();
    this.#held = undefined;
  }

  #rememberLost(name: MasterName): void {
    const { clock, random } = this.#dependencies;
    const turnMs = clock.monotonicMs() + random() * this.membership.state.view.spreadMs;
    this.#lost = { name, turnMs };
  }

  /** The keys go at once; what an order has begun elsewhere may take a while to be taken back. */
  async #finish(reason: MembershipEndReason): Promise<Tombstone> {
    const abandoned = this.membership.mover.abandon();
    const tombstone = await this.membership.end(reason);
    this.#status.enter('ended');
    this.#dependencies.log.info({ membership: this.membership.name, reason }, 'membership ended');
    this.#ended.resolve(reason);
    await abandoned;
    return tombstone;
  }
}
