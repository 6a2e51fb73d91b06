import type { EndReason, MasterMessage, RefusedMessage } from '../api/messages.ts';
import type { MasterName } from '../model/names.ts';
import { runUntilAborted } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ControlConnection } from './control-connection.ts';
import { DirectSession, isDirectMessage } from './direct/direct-session.ts';
import { MeasuringSession } from './measuring/measuring-session.ts';
import { MemberError } from './member-error.ts';
import type { Membership } from './membership.ts';
import { MovingSession } from './moving/moving-session.ts';
import { lacksProof } from './own-chain.ts';
import { renewalRetryMs, renewalTimeMs } from './renewal-time.ts';
import { validityOf } from './validity.ts';
import { foldViewChanges, isViewChange, type ViewChange } from './view-changes.ts';

/** All members of a subset may find at the same moment that they need another certificate. */
const proofSpreadMs = 5_000;

export interface SessionOptions {
  readonly membership: Membership;
  /** At the other end. */
  readonly master: MasterName;
  readonly connection: ControlConnection;
  /** The join was answered on this connection: the master knows already which view is here. */
  readonly isJoined: boolean;
}

export interface SessionDependencies {
  readonly clock: Clock;
  readonly random: () => number;
  /** The master has read what opened the session and did not refuse it so far. */
  readonly onLive: () => void;
}

/**
 * Follows one control session until the membership ends.
 *
 * Views are applied in the order in which they come; all that have queued up count as one, and
 * each is acknowledged only once it is on the disk and in the host.
 *
 * @returns why the membership ended
 * @throws MemberError when the session ended and the membership did not: `session-lost`,
 *   `bad-message`, `refused`, `untrusted-master`
 */
export async function followSession(
  options: SessionOptions,
  dependencies: SessionDependencies,
): Promise<EndReason> {
  const over = new AbortController();
  using direct = new DirectSession(options);
  using measuring = new MeasuringSession({ ...options, measurer: options.membership.measurer });
  using moving = new MovingSession({ ...options, mover: options.membership.mover });
  const parts = { direct, measuring, moving, over: over.signal };
  const session = new Session(options, parts, dependencies);
  try {
    session.open();
    void runUntilAborted((signal) => session.renewInTime(signal), over.signal, ignoreTimed);
    void runUntilAborted((signal) => session.watchAddresses(signal), over.signal, ignoreTimed);
    for (;;) {
      const reason = await session.take(await options.connection.receive());
      if (reason) return reason;
    }
  } finally {
    over.abort();
  }
}

/** What has its time only waits and sends; a send on a lost connection is what `receive` reports. */
function ignoreTimed(): void {}

/** What has a part in a session of its own. */
interface SessionParts {
  readonly direct: DirectSession;
  readonly measuring: MeasuringSession;
  readonly moving: MovingSession;
  readonly over: AbortSignal;
}

class Session {
  readonly #membership: Membership;
  readonly #connection: ControlConnection;
  readonly #direct: DirectSession;
  readonly #measuring: MeasuringSession;
  readonly #moving: MovingSession;
  readonly #dependencies: SessionDependencies;
  readonly #isJoined: boolean;
  readonly #over: AbortSignal;
  #saidHello = false;
  /** A `hello` of ours may still be answered with a whole view. */
  #awaitsView = false;
  #hasAskedForProof = false;

  constructor(options: SessionOptions, parts: SessionParts, dependencies: SessionDependencies) {
    this.#membership = options.membership;
    this.#connection = options.connection;
    this.#isJoined = options.isJoined;
    this.#direct = parts.direct;
    this.#measuring = parts.measuring;
    this.#over = parts.over;
    this.#moving = parts.moving;
    this.#dependencies = dependencies;
  }

  /**
   * Who has just joined has no view to ask for, but a master that introduces members has to hear where
   * this one is to be reached. With an expired certificate a master takes one message only, `renew`, which `renewInTime` sends
   * at once; whatever else this member wants waits for the answer.
   */
  open(): void {
    if (this.#isJoined) this.#acknowledge();
    const saysHello = this.#isJoined ? this.#direct.isIntroducing : !this.#membership.hasExpired();
    if (saysHello) this.#hello();
    this.#maybeAskForProof();
    void this.#connection.answered().then(this.#dependencies.onLive);
  }

  async renewInTime(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#dependencies;
    for (;;) {
      const { chain } = this.#membership.state;
      const validity = validityOf(chain);
      const dueMs = renewalTimeMs(validity, random());
      if (dueMs > clock.nowMs()) await clock.sleep(dueMs - clock.nowMs(), signal);
      while (this.#membership.state.chain === chain) {
        this.#connection.send({ type: 'renew' });
        await clock.sleep(renewalRetryMs(validity), signal);
      }
    }
  }

  /** @throws the signal's reason */
  watchAddresses(signal: AbortSignal): Promise<void> {
    const sayHello = () => {
      if (this.#saidHello || this.#isJoined) this.#hello();
    };
    return this.#direct.watchAddresses(this.#dependencies.clock, sayHello, signal);
  }

  /** Handles messages that came together. @returns why the membership ended, if it did */
  async take(messages: readonly MasterMessage[]): Promise<EndReason | undefined> {
    for (const message of messages) {
      if (message.type === 'ended') return message.reason;
      if (message.type === 'refused') return refusalEnds(message);
      if (message.type === 'admitted') throw unexpected(this.#connection.endpoint, message.type);
      if (message.type === 'renewed') await this.#renewed(message.chain);
      if (message.type === 'candidates') this.#measuring.take(message);
      if (message.type === 'move') this.#moving.take(message);
      if (message.type === 'spread') await this.#spread(message.spreadMs);
      if (isDirectMessage(message)) await this.#direct.take(message);
    }
    await this.#change(messages.filter(isViewChange));
    return undefined;
  }

  async #renewed(chain: readonly string[]): Promise<void> {
    await this.#membership.exclusively(() => this.#membership.acceptChain(chain));
    if (!this.#saidHello && !this.#isJoined) this.#hello();
  }

  #spread(spreadMs: number): Promise<void> {
    return this.#membership.exclusively(() => this.#membership.acceptSpread(spreadMs));
  }

  async #change(changes: readonly ViewChange[]): Promise<void> {
    if (changes.length === 0) return;
    const membership = this.#membership;
    await membership.exclusively(async () => {
      const before = membership.state.view;
      const { view, hasGap, isAnswered } = foldViewChanges(before, changes, this.#awaitsView);
      if (isAnswered) this.#awaitsView = false;
      if (view !== before) {
        await membership.acceptView(view);
        this.#acknowledge();
      }
      this.#maybeAskForProof();
      // What is to be sealed from now on has an interface that the master has not heard of.
      if (hasGap || this.#direct.hasMoved) this.#hello();
    });
  }

  /**
   * Where other members believe no address that a certificate does not prove, one that does not is
   * renewed long before its time. Once in a session: a master that has nothing better gives the like.
   */
  #maybeAskForProof(): void {
    const membership = this.#membership;
    if (this.#hasAskedForProof || membership.hasExpired() || !lacksProof(membership.state)) return;
    this.#hasAskedForProof = true;
    const { clock, random } = this.#dependencies;
    const ask = async (signal: AbortSignal): Promise<void> => {
      await clock.sleep(random() * proofSpreadMs, signal);
      this.#connection.send({ type: 'renew' });
    };
    void runUntilAborted(ask, this.#over, ignoreTimed);
  }

  #hello(): void {
    this.#saidHello = true;
    this.#awaitsView = true;
    const { appliedRevision, appliedEpoch } = this.#membership;
    const direct = this.#direct.contact();
    const applied = { appliedRevision, appliedEpoch };
    const said = {
      ...applied,
      ...(direct ? { direct } : {}),
      measures: true,
      moves: true,
      spreads: true,
    } as const;
    this.#connection.send({ type: 'hello', ...said });
  }

  #acknowledge(): void {
    const { appliedRevision: revision, appliedEpoch: epoch } = this.#membership;
    // Without an applied view there is nothing to acknowledge.
    if (epoch > 0) this.#connection.send({ type: 'acknowledge', revision, epoch });
  }
}

/**
 * A ban is a record that the master has found, and so the same word as `ended` from the same mouth.
 * Any other refusal may be a lack of records, as after the restoration of an older store.
 * @throws MemberError `refused`
 */
function refusalEnds(message: RefusedMessage): EndReason {
  if (message.code === 'banned') return 'banned';
  throw refusal(message);
}

export function refusal({ code, message, retryable }: RefusedMessage): MemberError {
  return new MemberError(`the master refused (${code}): ${message}`, {
    code: 'refused',
    fields: { refusal: code },
    retryable,
  });
}

/** A message that is valid and has no place at this point of the protocol. */
export function unexpected(endpoint: string, type: MasterMessage['type']): MemberError {
  return new MemberError(`${endpoint} sent "${type}", which is not expected here`, {
    code: 'bad-message',
    fields: { endpoint },
    retryable: true,
  });
}
