import type { MoveMessage, MoveReport } from '../../api/move-messages.ts';
import { describeError } from '../../model/error.ts';
import { longestOrderMs } from '../../model/order-lifetime.ts';
import { aborted, isAbort } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { rootFingerprint } from '../../trust/certificate-check.ts';
import { type InviteClaims, readInviteToken } from '../../trust/invite-token.ts';
import type { MembershipEndReason, MembershipState } from '../membership-files.ts';
import { moveTooLate } from '../membership-problems.ts';
import type { Destinations } from './destinations.ts';
import type { FinishedMove, JoiningMove, MoveState } from './move-state.ts';

/** A master that is asked whether its tunnel carries packets answers sooner, or not at all. */
const proofMs = 1_000;
/** A tunnel that is not planned yet, or a master that does not take a departure, is looked at again so soon. */
const retryMs = { tunnel: 200, leave: 5_000 };
/** What a master takes (`api/move-messages`). */
const longestReason = 1_024;

export interface MoverOptions {
  readonly membership: string;
  readonly state: () => MembershipState;
  /** Resolves when it is on the disk, and the host looks accordingly as far as it can. */
  readonly save: (move: MoveState) => Promise<void>;
}

export interface MoverDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly destinations: Destinations;
}

interface Order extends Pick<MoveMessage, 'token' | 'graceMs'> {
  readonly claims: InviteClaims;
}

/** Carries out the orders to one membership, one at a time; the newest one counts. */
export class Mover {
  readonly #options: MoverOptions;
  readonly #dependencies: MoverDependencies;
  readonly #listeners = new Set<() => void>();
  /** Aborted by each new order. */
  #superseded = new AbortController();
  /** Heard, and not taken up yet. */
  #next: Order | undefined;

  constructor(options: MoverOptions, dependencies: MoverDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** Calls the listener when something has become of an order; until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Takes an order in, which `run` takes up as soon as what an earlier one has begun is taken back.
   * One that was heard before changes nothing. A crash may lose it until then: masters tell it in each
   * session until it is answered.
   * @returns which order it is; undefined for a token that says nothing
   */
  take({ token, graceMs }: MoveMessage): string | undefined {
    const claims = this.#read(token);
    if (!claims) return undefined;
    const { inviteId } = claims;
    if (inviteId === this.#next?.claims.inviteId || inviteId === this.#move?.inviteId) {
      return inviteId;
    }
    this.#next = { claims, token, graceMs };
    this.#superseded.abort();
    return inviteId;
  }

  /** What there is to say of an order; undefined while nothing has become of it. */
  report(inviteId: string): MoveReport | undefined {
    const move = this.#move;
    if (this.#next?.claims.inviteId === inviteId) return undefined;
    if (move?.inviteId === inviteId) return this.#reportOf(move);
    if (move?.stage !== 'moved') return undefined;
    const reason = `it has moved to ${move.to} already, and can be moved from there`;
    return { type: 'not-moved', inviteId, reason };
  }

  /**
   * Works on orders until the signal is aborted, or the membership is over by its own departure.
   * @param leave tells the master that the member leaves, and resolves when it has
   */
  async run(signal: AbortSignal, leave: () => Promise<MembershipEndReason>): Promise<void> {
    await this.#dependencies.destinations.resumed;
    for (;;) {
      signal.throwIfAborted();
      this.#superseded = new AbortController();
      const stop = AbortSignal.any([signal, this.#superseded.signal]);
      const move = this.#move;
      if (this.#next) await this.#takeUp(this.#next, signal);
      else if (move?.stage === 'joining') await this.#carryOut(move, stop);
      else if (move?.stage === 'moved') await this.#leaveInTime(move, leave, stop);
      else await aborted(stop);
    }
  }

  /**
   * Takes back what an order has begun, unless it is done: the membership is about to end, or another
   * order counts. What cannot be taken back is logged: neither of these waits for it.
   */
  async abandon(): Promise<void> {
    const move = this.#move;
    if (move?.stage !== 'joining') return;
    const { destinations, log } = this.#dependencies;
    const { place } = this.#options.state();
    try {
      await destinations.giveUp(place.vpn.name, move.to, move.sinceMs);
    } catch (error) {
      if (isAbort(error)) return;
      const fields = { membership: this.#options.membership, to: move.to, error };
      log.error(fields, 'what a move has begun could not be taken back');
    }
  }

  /** What an earlier order has begun elsewhere is taken back first, so that a crash leaves none of it. */
  async #takeUp(order: Order, signal: AbortSignal): Promise<void> {
    const { inviteId, subset: to } = order.claims;
    const before = this.#move;
    if (before?.stage === 'moved') {
      if (before.to === to) await this.#options.save({ ...before, inviteId });
    } else {
      const next = this.#begin(order);
      const goesOn = next.stage === 'joining' && next.to === before?.to;
      if (!goesOn) await this.abandon();
      signal.throwIfAborted();
      await this.#options.save(next);
    }
    if (this.#next === order) this.#next = undefined;
    this.#tell();
  }

  #begin({ claims, token, graceMs }: Order): MoveState {
    const { clock, log } = this.#dependencies;
    const { inviteId, subset: to } = claims;
    const problem = this.#findProblem(claims);
    log.info({ membership: this.#options.membership, to, problem }, 'ordered to another subset');
    if (problem !== undefined) return { stage: 'not-moved', inviteId, to, reason: problem };
    const nowMs = clock.nowMs();
    // Nobody here can check who signed the token, and it says where to connect to.
    const expiresAtMs = Math.min(claims.expiresAtMs, nowMs + longestOrderMs);
    const before = this.#move;
    // What the order before has joined there is this one's to leave.
    const goesOn = before?.stage === 'joining' && before.to === to;
    const sinceMs = goesOn ? before.sinceMs : nowMs;
    return { stage: 'joining', inviteId, to, token, graceMs, sinceMs, expiresAtMs };
  }

  get #move(): MoveState | undefined {
    return this.#options.state().move;
  }

  async #save(move: MoveState): Promise<void> {
    await this.#options.save(move);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #reportOf(move: MoveState): MoveReport | undefined {
    const { inviteId } = move;
    if (move.stage === 'not-moved') return { type: 'not-moved', inviteId, reason: move.reason };
    const { place } = this.#options.state();
    const arrived =
      move.stage === 'moved' && this.#dependencies.destinations.find(place.vpn.name, move.to);
    return arrived ? { type: 'moved', chain: [...arrived.state.chain] } : undefined;
  }

  /** What the token says, also when its time is over: the order is answered all the same. */
  #read(token: string): InviteClaims | undefined {
    try {
      return readInviteToken(token, { nowMs: 0 });
    } catch (error) {
      const reason = describeError(error);
      this.#dependencies.log.warn({ reason }, 'a master sent an order that cannot be read');
      return undefined;
    }
  }

  #findProblem(claims: InviteClaims): string | undefined {
    const { place, rootCertificate } = this.#options.state();
    const { vpn, subset, memberName, expiresAtMs } = claims;
    if (vpn !== place.vpn.name || claims.rootFingerprint !== rootFingerprint(rootCertificate)) {
      return `the order is for another VPN that is called ${vpn}`;
    }
    if (claims.isPlaced) return 'the order does not say where to';
    if (subset === place.subset) return `it is in ${subset} already`;
    if (memberName !== place.name) return 'the order would give it another name';
    const found = this.#dependencies.destinations.find(vpn, subset);
    const { move } = found?.state ?? {};
    if (move?.stage === 'moved') {
      return `it is about to leave ${subset}, at ${new Date(move.leavesAtMs).toISOString()}: move it then`;
    }
    const isLate = expiresAtMs <= this.#dependencies.clock.nowMs();
    return isLate ? moveTooLate(subset, expiresAtMs).message : undefined;
  }

  async #carryOut(move: JoiningMove, stop: AbortSignal): Promise<void> {
    const { log, clock } = this.#dependencies;
    const { membership } = this.#options;
    const { inviteId, to, graceMs } = move;
    try {
      await this.#arriveInTime(move, stop);
      // Another order may take what was joined back from here on.
      stop.throwIfAborted();
      const leavesAtMs = clock.nowMs() + graceMs;
      log.info({ membership, to, leavesAtMs }, 'moved to another subset');
      // It is told when new connections begin at the new address.
      await this.#options.save({ stage: 'moved', inviteId, to, leavesAtMs });
    } catch (error) {
      if (stop.aborted) return;
      const reason = describeError(error).slice(0, longestReason);
      log.warn({ membership, to, reason }, 'not moved to another subset');
      await this.#save({ stage: 'not-moved', inviteId, to, reason });
    }
  }

  /** @throws MemberError why it could not be joined; the join is given up then, or what was joined is left */
  async #arriveInTime(move: JoiningMove, stop: AbortSignal): Promise<void> {
    const { clock } = this.#dependencies;
    const { to, expiresAtMs } = move;
    const over = new AbortController();
    const signal = AbortSignal.any([stop, over.signal]);
    const late = clock.sleep(Math.max(0, expiresAtMs - clock.nowMs()), signal).then(() => {
      throw moveTooLate(to, expiresAtMs);
    });
    try {
      await Promise.race([this.#arrive(move, signal), late]);
    } catch (error) {
      // Nothing is to begin any more that would not be taken back.
      over.abort();
      // A daemon that stops goes on with it when it runs again.
      if (!stop.aborted) await this.abandon();
      throw error;
    } finally {
      over.abort();
      late.catch(() => undefined);
    }
  }

  /** Resolves when packets go through the new membership's tunnel, and back. */
  async #arrive({ to, token }: JoiningMove, signal: AbortSignal): Promise<void> {
    const { clock, destinations } = this.#dependencies;
    const { vpn } = this.#options.state().place;
    const membership = await destinations.arrive(vpn.name, to, { token, signal });
    for (;;) {
      signal.throwIfAborted();
      if (destinations.find(vpn.name, to) !== membership) {
        throw new Error(`the membership in ${to} was over before its tunnel carried packets`);
      }
      const master = membership.paths.using?.master;
      if (master === undefined) await clock.sleep(retryMs.tunnel, signal);
      else if (await membership.answersWithin(master, proofMs, signal)) return;
    }
  }

  /** What is on the disk holds, also when the host cannot follow at once. */
  async #passRankOn({ to }: FinishedMove): Promise<void> {
    const { log, destinations } = this.#dependencies;
    const { place, rankMs } = this.#options.state();
    try {
      await destinations.find(place.vpn.name, to)?.takeRank(rankMs);
    } catch (error) {
      const { membership } = this.#options;
      log.warn({ membership, to, reason: describeError(error) }, 'not first after a move yet');
    }
  }

  /**
   * The new membership comes where this one was among those of the VPN, which is repeated at each start.
   * When no master takes the departure, it is tried on: a master removes who does not leave.
   */
  async #leaveInTime(
    move: FinishedMove,
    leave: () => Promise<MembershipEndReason>,
    stop: AbortSignal,
  ): Promise<void> {
    const { clock, log } = this.#dependencies;
    const { leavesAtMs } = move;
    await this.#passRankOn(move);
    this.#tell();
    try {
      await clock.sleep(Math.max(0, leavesAtMs - clock.nowMs()), stop);
      for (;;) {
        try {
          await leave();
          return await aborted(stop);
        } catch (error) {
          stop.throwIfAborted();
          const { membership } = this.#options;
          log.warn({ membership, reason: describeError(error) }, 'cannot leave after a move yet');
        }
        await clock.sleep(retryMs.leave, stop);
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  }
}
