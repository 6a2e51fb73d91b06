import type { MasterName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ControlConnection } from './control-connection.ts';
import { isRefusal } from './member-error.ts';
import type { Membership } from './membership.ts';
import type { MembershipEndReason } from './membership-files.ts';
import { followSession } from './session.ts';

/** A master whose tunnel has died is given so long to answer in its session. */
const checkLimitMs = 2_000;

/** An open session and the master at its other end. */
export interface OpenSession {
  readonly master: MasterName;
  readonly connection: ControlConnection;
}

export interface HeldSessionOptions extends OpenSession {
  readonly membership: Membership;
  /** The join was answered on this connection. */
  readonly isJoined: boolean;
}

/** A session that is followed from the moment it is made until it is over or closed. */
export class HeldSession implements AsyncDisposable {
  readonly master: MasterName;
  readonly connection: ControlConnection;
  /** Resolves when the master has read what opened the session; may never. */
  readonly live: Promise<void>;
  /**
   * Why the membership has ended. Rejects with a MemberError when only the session has, also when it
   * was closed from this side.
   */
  readonly done: Promise<MembershipEndReason>;
  readonly #clock: Clock;
  readonly #openedMs: number;

  constructor(
    { membership, master, connection, isJoined }: HeldSessionOptions,
    { clock, random }: { readonly clock: Clock; readonly random: () => number },
  ) {
    this.master = master;
    this.connection = connection;
    this.#clock = clock;
    this.#openedMs = clock.monotonicMs();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.live = promise;
    this.done = this.#follow({ membership, master, connection, isJoined }, random, resolve);
    // Whoever needs to know waits for it as well.
    this.done.catch(() => {});
  }

  get ageMs(): number {
    return this.#clock.monotonicMs() - this.#openedMs;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.connection[Symbol.asyncDispose]();
  }

  async #follow(
    options: HeldSessionOptions,
    random: () => number,
    onLive: () => void,
  ): Promise<MembershipEndReason> {
    await using connection = this.connection;
    const { membership } = options;
    const forget = this.#checkWhenPathDies(membership, connection);
    try {
      return await followSession(options, { clock: this.#clock, random, onLive });
    } catch (error) {
      if (isRefusal(error, 'not-a-member') && membership.hasExpired()) return 'expired';
      throw error;
    } finally {
      forget();
    }
  }

  /** A dead tunnel shows in half a second what a connection shows in 45 s, if at all. */
  #checkWhenPathDies({ paths }: Membership, connection: ControlConnection): () => void {
    let wasAlive = paths.isAlive(this.master);
    return paths.onChange(() => {
      const isAlive = paths.isAlive(this.master);
      if (wasAlive && !isAlive) void connection.check(checkLimitMs);
      wasAlive = isAlive;
    });
  }
}
