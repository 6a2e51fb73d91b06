import type { EndReason, GroupKeyView, View } from '../../api/messages.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Epoch, WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import { AppliedKeys } from './applied-keys.ts';
import type { MemberSession } from './member-session.ts';

/** Each session hears a ping once a round, and is cut when a whole round passes in silence. */
const heartbeatRoundMs = 20_000;
/** A round is cut into slots, so that ten thousand pings are not written at once. */
const heartbeatSlots = 100;

/** A view to so many takes some ten milliseconds. */
const viewSlice = 64;

/** Hears of acknowledgements. */
export type AcknowledgementListener = (member: MemberName, epoch: Epoch) => void;

/** What a member says it has applied. */
export interface AppliedView {
  readonly revision: number;
  readonly epoch: Epoch;
}

export interface SessionHubDependencies {
  readonly clock: Clock;
  /** A member with a session here has applied a key. */
  readonly onAcknowledged: (subset: SubsetName, member: MemberName, epoch: Epoch) => void;
  /** Over how long the subset's members are to spread now; undefined when it is not served here. */
  readonly spreadMs: (subset: SubsetName) => number | undefined;
}

/** All live sessions, by subset and member: at most one each. */
export class SessionHub {
  readonly #subsets = new Map<SubsetName, Map<MemberName, MemberSession>>();
  readonly #listeners = new Map<SubsetName, Set<AcknowledgementListener>>();
  readonly #applied = new AppliedKeys();
  readonly #dependencies: SessionHubDependencies;

  constructor(dependencies: SessionHubDependencies) {
    this.#dependencies = dependencies;
  }

  /** The member's session from now on; an older one of the same member is cut. */
  add(session: MemberSession): void {
    const { subset, name } = session.member;
    const sessions = this.#subsets.get(subset) ?? new Map<MemberName, MemberSession>();
    this.#subsets.set(subset, sessions);
    sessions.get(name)?.cut('replaced by a newer session');
    sessions.set(name, session);
  }

  /** Harmless when a newer session has taken its place. */
  remove(session: MemberSession): void {
    const { subset, name } = session.member;
    const sessions = this.#subsets.get(subset);
    if (sessions?.get(name) === session) sessions.delete(name);
  }

  find(subset: SubsetName, name: MemberName): MemberSession | undefined {
    return this.#subsets.get(subset)?.get(name);
  }

  count(subset: SubsetName): number {
    return this.#subsets.get(subset)?.size ?? 0;
  }

  /**
   * Ends the session of somebody who is out of the roll; it gets nothing that is sent from now on. Those
   * who hold a direct path to it are told before they hear of the next key, so that who has applied
   * that one has no tunnel to it any more.
   */
  end({ subset, name, identityKey, keys }: MemberRecord, reason: EndReason): void {
    this.withdraw([keys.acting]);
    const session = this.find(subset, name);
    if (session?.member.identityKey !== identityKey) return;
    this.remove(session);
    session.end(reason);
  }

  /** Tells whoever holds tunnels to them that they are members no more. */
  withdraw(keys: readonly WireguardPublicKey[]): void {
    for (const session of this.sessions()) {
      session.withdraw(keys.filter((key) => session.direct.holds(key)));
    }
  }

  /** A new key to the whole subset: the change to those who are up to date, the whole view to others. */
  broadcastKey(subset: SubsetName, previousRevision: number, view: View): void {
    const key: GroupKeyView = view.key;
    const change = JSON.stringify({
      type: 'key-changed',
      previousRevision,
      revision: view.revision,
      key,
    });
    const whole = viewMessage(view);
    for (const session of this.#subsets.get(subset)?.values() ?? []) {
      if (session.sentRevision === previousRevision) sendNews(session, view, change);
      else sendWhole(session, view, whole);
    }
  }

  /**
   * New masters to the whole subset. Unlike a key nobody waits for it, and it comes when members of a dead
   * master come as well: others are served between one slice and the next.
   */
  broadcastView(subset: SubsetName, view: View): void {
    const whole = viewMessage(view);
    const sessions = this.sessionsOf(subset);
    const sendSlice = (from: number): void => {
      const end = from + viewSlice;
      for (const session of sessions.slice(from, end)) sendWhole(session, view, whole);
      if (end < sessions.length) setImmediate(sendSlice, end);
    };
    sendSlice(0);
  }

  /** Takes an acknowledgement in. What was never sent is not believed. */
  acknowledge(session: MemberSession, { revision, epoch }: AppliedView): void {
    if (revision > session.sentRevision || epoch > session.sentEpoch) return;
    session.appliedRevision = Math.max(session.appliedRevision, revision);
    if (epoch <= session.appliedEpoch) return;
    session.appliedEpoch = epoch;
    const { subset, name } = session.member;
    this.#dependencies.onAcknowledged(subset, name, epoch);
  }

  /** To be told to those who wait for it, whether a session here said so or one with another master. */
  acknowledged(subset: SubsetName, member: MemberName, epoch: Epoch): void {
    this.#applied.add(subset, member, epoch);
    for (const listener of this.#listeners.get(subset) ?? []) listener(member, epoch);
  }

  /** Whether the member is known to have applied the key of this epoch, or a later one. */
  hasApplied(subset: SubsetName, member: MemberName, epoch: Epoch): boolean {
    const session = this.find(subset, member);
    if (session && session.appliedEpoch >= epoch) return true;
    return this.#applied.has(subset, member, epoch);
  }

  /** Until the returned function is called. */
  onAcknowledged(subset: SubsetName, listener: AcknowledgementListener): () => void {
    const listeners = this.#listeners.get(subset) ?? new Set();
    this.#listeners.set(subset, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /**
   * Finds sessions whose other end is gone, and keeps all others informed of how far to spread. Runs until
   * the signal is aborted.
   */
  async runHeartbeats(signal: AbortSignal): Promise<void> {
    const { clock, spreadMs } = this.#dependencies;
    for (let slot = 0; !signal.aborted; slot = (slot + 1) % heartbeatSlots) {
      await clock.sleep(heartbeatRoundMs / heartbeatSlots, signal).catch(() => undefined);
      const nowMs = clock.monotonicMs();
      for (const [subset, sessions] of this.#subsets) {
        const beat = { nowMs, spreadMs: spreadMs(subset) };
        for (const session of sessionsIn(slot, sessions)) keepAlive(session, beat);
      }
    }
  }

  /** All sessions at the moment. */
  sessions(): readonly MemberSession[] {
    return [...this.#subsets.values()].flatMap((sessions) => [...sessions.values()]);
  }

  sessionsOf(subset: SubsetName): readonly MemberSession[] {
    return [...(this.#subsets.get(subset)?.values() ?? [])];
  }

  /** Who has a tunnel to the member with that key, as far as this master knows. */
  holdersOf(key: WireguardPublicKey): readonly MemberSession[] {
    return this.sessions().filter(({ direct }) => direct.holds(key));
  }

  /** The subset is not served here any more: its members are asked to turn to another master. */
  closeSubset(subset: SubsetName): void {
    this.#applied.forget(subset);
    for (const session of this.sessionsOf(subset)) session.closeForRestart();
  }

  /** Asks everybody to come back later, because this master stops. */
  closeAll(): void {
    for (const sessions of this.#subsets.values()) {
      for (const session of sessions.values()) session.closeForRestart();
    }
  }
}

function viewMessage(view: View): string {
  return JSON.stringify({ type: 'view', view });
}

/** @returns false when the member has it, or something newer, already */
function sendNews(session: MemberSession, view: View, message: string): boolean {
  if (session.sentRevision >= view.revision) return false;
  session.sendText(message);
  session.noteSent(view);
  return true;
}

function sendWhole(session: MemberSession, view: View, message: string): void {
  if (sendNews(session, view, message)) session.noteSpread(view);
}

function* sessionsIn(
  slot: number,
  sessions: ReadonlyMap<MemberName, MemberSession>,
): Generator<MemberSession> {
  let place = 0;
  for (const session of sessions.values()) if (place++ % heartbeatSlots === slot) yield session;
}

function keepAlive(
  session: MemberSession,
  { nowMs, spreadMs }: { readonly nowMs: number; readonly spreadMs: number | undefined },
): void {
  if (session.isAlive) session.ping(nowMs);
  else session.cut('no heartbeat');
  if (spreadMs !== undefined) session.tellSpread(spreadMs);
}
