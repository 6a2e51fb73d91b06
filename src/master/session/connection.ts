import type { TLSSocket } from 'node:tls';
import type { RawData, WebSocket } from 'ws';
import type { DirectContact } from '../../api/direct-messages.ts';
import type { MeasurementsMessage } from '../../api/measuring-messages.ts';
import {
  type HelloMessage,
  type MemberMessage,
  memberMessageSchema,
  type RefusalCode,
  sessionProtocol,
  type View,
} from '../../api/messages.ts';
import type { MoveReport } from '../../api/move-messages.ts';
import type { AskPlaceMessage, FindPlaceMessage } from '../../api/placing-messages.ts';
import { HanseError } from '../../model/error.ts';
import type { Address } from '../../model/prefix.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { TokenBucket } from '../../runtime/token-bucket.ts';
import { type Caller, type CallerContext, identifyCaller } from '../http/caller.ts';
import type { Measurements } from '../measuring/measurements.ts';
import type { Placing } from '../placing/placing.ts';
import { MemberSession, type SessionMember } from './member-session.ts';
import {
  type JoinOutcome,
  type KnownCaller,
  type MembershipGate,
  type SessionObserver,
  SessionRefusal,
  type StrangerCaller,
} from './membership-gate.ts';
import type { AppliedView, SessionHub } from './session-hub.ts';

export interface ConnectionDependencies {
  readonly gate: MembershipGate;
  readonly hub: SessionHub;
  readonly observer: SessionObserver;
  readonly seeking: { seek(session: MemberSession, addresses: readonly Address[]): Promise<void> };
  readonly measurements: Measurements;
  readonly moveOrders: { welcome(session: MemberSession): void };
  readonly placing: Pick<Placing, 'candidates' | 'place'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly callerContext: () => CallerContext;
}

/** A connection that has not said who it is by then, counted from its last answer, is closed. */
const firstMessageMs = 10_000;
/** Far above what a member says: a join, and then an acknowledgement a change. */
const messageRate = { perSecond: 50, burst: 200 };

/**
 * One WebSocket connection.
 * - `new`: not in a session; only what newcomers say, `hello` and `renew` are understood. Left by
 *   `join`, `land` and `hello`.
 * - `live`: `session` is set, and the hub has it.
 * Messages are taken one after the other, each when the one before has been dealt with.
 */
export class Connection {
  readonly #webSocket: WebSocket;
  readonly #tls: TLSSocket;
  readonly #dependencies: ConnectionDependencies;
  readonly #bucket: TokenBucket;
  readonly #remote: string;
  readonly #settled = new AbortController();
  #caller: Caller | undefined;
  #session: MemberSession | undefined;
  /** What the member was given in this connection, or said that it has. */
  #newestChain: readonly string[] | undefined;
  #tail: Promise<void> = Promise.resolve();
  #isHandling = false;

  constructor(
    webSocket: WebSocket,
    tls: TLSSocket,
    dependencies: ConnectionDependencies,
    leavePending: () => void,
  ) {
    this.#webSocket = webSocket;
    this.#tls = tls;
    this.#dependencies = dependencies;
    this.#settled.signal.addEventListener('abort', leavePending);
    this.#remote = `${tls.remoteAddress ?? 'unknown'}`;
    this.#bucket = new TokenBucket(messageRate, dependencies.clock.monotonicMs());
    webSocket.on('message', (data, isBinary) => this.#onMessage(data, isBinary));
    webSocket.on('pong', (data) => this.#onPong(data));
    webSocket.on('close', (_code, reason) => this.#onClose(reason.toString()));
    webSocket.on('error', (error) =>
      dependencies.log.debug({ remote: this.#remote, error }, 'a session broke the protocol'),
    );
  }

  /** Finds out who is calling; messages that arrive meanwhile wait. */
  start(): void {
    void this.#limitPatience();
    this.#tail = identifyCaller(this.#tls, this.#dependencies.callerContext())
      .then((caller) => {
        this.#caller = caller;
        if (caller.kind !== 'refused') return;
        this.#refuse('not-a-member', `your certificate is refused: ${caller.message}`, caller.code);
      })
      .catch((error: unknown) => this.#fail(error));
  }

  /** How long an answer takes is not the other end's fault: it has its time from then on. */
  async #limitPatience(): Promise<void> {
    try {
      do {
        await this.#tail;
        await this.#dependencies.clock.sleep(firstMessageMs, this.#settled.signal);
      } while (this.#isHandling);
    } catch {
      // It has said who it is, or is gone.
      return;
    }
    this.#refuse('bad-message', 'say who you are within ten seconds');
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    // Whoever was refused may go on sending until it has read so.
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#markAlive();
    if (!this.#bucket.take(this.#dependencies.clock.monotonicMs())) {
      this.#refuse('too-many', `more than ${messageRate.perSecond} messages a second`);
      return;
    }
    const message = isBinary ? undefined : parseMessage(data);
    this.#dependencies.observer.received(this.#sender(), message?.type ?? 'malformed');
    if (!message) {
      this.#refuse('bad-message', `that is no message of ${sessionProtocol}`);
      return;
    }
    this.#tail = this.#tail
      .then(() => this.#take(message))
      .catch((error: unknown) => this.#fail(error));
  }

  async #take(message: MemberMessage): Promise<void> {
    this.#isHandling = true;
    try {
      await this.#handle(message);
    } finally {
      this.#isHandling = false;
    }
  }

  async #handle(message: MemberMessage): Promise<void> {
    const caller = this.#caller;
    const isGone = this.#webSocket.readyState !== this.#webSocket.OPEN;
    if (isGone || !caller || caller.kind === 'refused') return;
    if (this.#session) return this.#handleLive(message, this.#session, caller);
    const { gate } = this.#dependencies;
    if (message.type === 'join') return this.#begin(await gate.join(message, caller));
    if (message.type === 'land') return this.#begin(await gate.land(message, caller));
    if (isAboutPlace(message)) return this.#answerNewcomer(message, caller);
    if (caller.kind === 'stranger') {
      throw new SessionRefusal('your certificate is not of this VPN: join with an invite first', {
        code: 'not-a-member',
      });
    }
    if (message.type === 'renew') {
      await this.#renew(await this.#dependencies.gate.recognise(caller), caller);
      this.#caller = { ...caller, expired: false };
      return;
    }
    if (message.type !== 'hello') throw unexpected(message);
    if (caller.expired) {
      throw new SessionRefusal('your certificate has expired: renew it first', {
        code: 'not-a-member',
      });
    }
    const member = await this.#dependencies.gate.recognise(caller);
    // Gone meanwhile: nobody would ever take such a session out of the hub.
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#resume(this.#goLive(member), message);
  }

  async #handleLive(
    message: MemberMessage,
    session: MemberSession,
    caller: KnownCaller | StrangerCaller,
  ): Promise<void> {
    const { hub, gate, seeking } = this.#dependencies;
    if (message.type === 'acknowledge') hub.acknowledge(session, message);
    else if (message.type === 'hello') this.#resume(session, message);
    else if (message.type === 'paths') session.direct.notePaths(message, this.#nowMs());
    else if (message.type === 'seek') void seeking.seek(session, message.addresses);
    else if (message.type === 'measurements') this.#takeMeasurements(session, message);
    else if (message.type === 'leave') await gate.leave(session.member);
    else if (message.type === 'moved' || message.type === 'not-moved') {
      await this.#reportMove(session, message);
    }
    // After a join the connection still has the certificate that it began with; the key is the same.
    else if (message.type === 'renew') await this.#renew(session.member, caller);
    else throw unexpected(message);
  }

  async #answerNewcomer(
    message: FindPlaceMessage | AskPlaceMessage,
    { identityKey }: KnownCaller | StrangerCaller,
  ): Promise<void> {
    const { placing } = this.#dependencies;
    const answer =
      message.type === 'find-place'
        ? await placing.candidates(message)
        : await placing.place(message, { identityKey, remote: this.#remote });
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#webSocket.send(JSON.stringify(answer));
  }

  /** The session of who has just joined. */
  #begin({ member, admitted }: JoinOutcome): void {
    // Gone meanwhile: nobody would ever take such a session out of the hub.
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    // Or put out while its certificate was made: then it hears of no key at all.
    const view = this.#dependencies.gate.view(member);
    this.#newestChain = admitted.chain;
    const session = this.#goLive(member);
    session.noteSent(view);
    session.noteSpread(view);
    session.send({ ...admitted, view });
  }

  async #renew(member: SessionMember, { publicKey }: KnownCaller | StrangerCaller): Promise<void> {
    const chain = await this.#dependencies.gate.renew(member, publicKey);
    this.#newestChain = chain;
    this.#webSocket.send(JSON.stringify({ type: 'renewed', chain }));
    if (this.#session) this.#dependencies.observer.renewed(this.#session);
  }

  #goLive(member: SessionMember): MemberSession {
    const { hub, observer, clock } = this.#dependencies;
    const session = new MemberSession(member, this.#webSocket, {
      sinceMs: clock.nowMs(),
      remote: this.#remote,
      chain: () => this.#newestChain ?? [],
    });
    this.#session = session;
    this.#settle();
    hub.add(session);
    observer.connected(session);
    return session;
  }

  /**
   * By state: a member that has the newest view has acknowledged it, any other gets it whole. One
   * from another master may have a greater revision, or the same with another key: a revision is a
   * sum, and masters may hear of its parts in different orders.
   */
  #resume(session: MemberSession, hello: HelloMessage): void {
    const { appliedRevision, appliedEpoch, direct, measures, moves, spreads } = hello;
    const view = this.#dependencies.gate.view(session.member);
    if (direct) this.#noteDirect(session, direct);
    session.noteSent(view);
    const hasKey = appliedEpoch === view.key.epoch;
    session.takesSpread = spreads ?? false;
    if (appliedRevision !== view.revision || !hasKey) {
      session.send({ type: 'view', view });
      session.noteSpread(view);
    }
    // What follows is a change to a view that the member does not have: it needs the next one whole.
    if (appliedRevision === view.revision && !hasKey) session.sentRevision = 0;
    if (hasKey) this.#dependencies.hub.acknowledge(session, acknowledged(appliedRevision, view));
    if (measures) this.#dependencies.measurements.tell(session);
    if (moves) this.#dependencies.moveOrders.welcome(session);
  }

  /** Of an order that the master has told of in this session. */
  async #reportMove(session: MemberSession, report: MoveReport): Promise<void> {
    if (session.toldMove === undefined) throw unexpected(report);
    await this.#dependencies.gate.reportMove(session.member, report);
  }

  /** Nothing that the session says next has to wait for the comparison. */
  #takeMeasurements(session: MemberSession, message: MeasurementsMessage): void {
    // Who was not asked is of no version that knows how.
    if (!session.measured.candidates) throw unexpected(message);
    void this.#dependencies.measurements.take(session, message);
  }

  /** Whoever was put out while the member was away goes before it is told anything else. */
  #noteDirect(session: MemberSession, direct: DirectContact): void {
    const { gate } = this.#dependencies;
    session.direct.noteContact(direct, this.#nowMs());
    this.#newestChain ??= direct.chain;
    session.withdraw(direct.peers.filter((key) => !gate.mayBeHeld(session.member.subset, key)));
  }

  #fail(error: unknown): void {
    if (error instanceof SessionRefusal) {
      this.#refuse(error.code, error.message, error.code, error.retryable);
    } else if (error instanceof HanseError) {
      this.#refuse('unavailable', error.message, error.code, error.retryable);
    } else {
      this.#dependencies.log.error({ error }, 'a session message could not be handled');
      this.#refuse(
        'unavailable',
        'the master could not handle this; its log says why',
        'internal',
        true,
      );
    }
  }

  #refuse(code: RefusalCode, message: string, countedAs: string = code, retryable = false): void {
    this.#dependencies.observer.refused(countedAs, message);
    this.#dependencies.log.debug(
      { remote: this.#remote, code: countedAs, reason: message },
      'refused a session',
    );
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#webSocket.send(
      JSON.stringify({ type: 'refused', code, message: message.slice(0, 1_024), retryable }),
    );
    this.#webSocket.close(1008, code);
  }

  #onClose(reason: string): void {
    this.#settle();
    const session = this.#session;
    if (!session) return;
    this.#dependencies.hub.remove(session);
    this.#dependencies.observer.disconnected(
      session,
      session.cutReason ?? (reason || 'the connection ended'),
    );
  }

  /** No longer among those who have yet to say who they are. */
  #settle(): void {
    // Without a reason of ours Node makes an error with a stack, for each connection.
    this.#settled.abort('settled');
  }

  #nowMs(): number {
    return this.#dependencies.clock.nowMs();
  }

  #onPong(data: Buffer): void {
    this.#markAlive();
    const { clock, measurements } = this.#dependencies;
    if (this.#session) measurements.noteAnswer(this.#session, data, clock.monotonicMs());
  }

  #markAlive(): void {
    if (this.#session) this.#session.isAlive = true;
  }

  #sender(): string {
    const caller = this.#caller;
    if (this.#session) return `member:${this.#session.member.subset}`;
    if (caller?.kind !== 'known') return 'unknown';
    return caller.identity.kind === 'member'
      ? `member:${caller.identity.subset}`
      : `${caller.identity.kind}:${caller.identity.name}`;
  }
}

function isAboutPlace(message: MemberMessage): message is FindPlaceMessage | AskPlaceMessage {
  return message.type === 'find-place' || message.type === 'ask-place';
}

function unexpected(message: MemberMessage): SessionRefusal {
  return new SessionRefusal(`"${message.type}" was not expected now`, { code: 'bad-message' });
}

/** The key counts, whatever else of the view is new; a revision above ours was another master's. */
function acknowledged(appliedRevision: number, { revision, key }: View): AppliedView {
  return { revision: appliedRevision === revision ? revision : 0, epoch: key.epoch };
}

function parseMessage(data: RawData): MemberMessage | undefined {
  try {
    const result = memberMessageSchema.safeParse(JSON.parse(data.toString()));
    return result.success ? result.data : undefined;
  } catch {
    // Not JSON: a bad message like any other.
    return undefined;
  }
}
