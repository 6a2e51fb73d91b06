import { setImmediate } from 'node:timers/promises';
import type { PeerObservation } from '../../host/host.ts';
import type { MemberName, SubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { MemberSession } from '../session/member-session.ts';
import type { Rendezvous } from './rendezvous.ts';

export interface MeetingsDependencies {
  readonly clock: Clock;
  readonly hub: {
    find(subset: SubsetName, name: MemberName): Pick<MemberSession, 'send' | 'sinceMs'> | undefined;
  };
  readonly gateway: {
    readonly rendezvous: Rendezvous;
    observeRendezvous(): Promise<readonly PeerObservation[]>;
    /** False when the host could not be brought up to date. */
    refresh(): Promise<boolean>;
  };
  /** Ends when the master stops. */
  readonly signal: AbortSignal;
}

/** Where the direct interfaces of members were seen: numeric `address:port`. */
export type Sightings = ReadonlyMap<WireguardPublicKey, string>;

interface Meeting {
  readonly members: readonly MemberRecord[];
  /** By the monotonic clock. */
  readonly sinceMs: number;
  /** When they were asked; undefined until the host has their peers. */
  askedMs?: number;
  readonly end: (sightings: Sightings) => void;
}

/** A handshake with the rendezvous takes a round trip, or two when a packet is lost. */
const longestMeetingMs = 2_000;
/** Where the host cannot say who is there, or does not take their peers: masters and members wait for the end. */
const longestWaitMs = 10_000;
const watchEveryMs = 1_000;
/** A host that could not be brought up to date is left alone for so long. */
const refreshAgainMs = 1_000;
/** What follows from so many ends takes some ten milliseconds; then others have their turn. */
const endsAtOnce = 50;
/** WireGuard gives up a handshake that is older (whitepaper §6.2). */
const livingHandshakeMs = 180_000;

/** Asks members to the rendezvous, and waits until they have been seen there. Moved on by `look`. */
export class Meetings {
  readonly #dependencies: MeetingsDependencies;
  readonly #meetings = new Set<Meeting>();
  #isWatched = false;
  /** Whether the host has the peers of all that were invited. */
  #isHostCurrent = true;
  /** By the monotonic clock. */
  #refreshFromMs = Number.NEGATIVE_INFINITY;

  constructor(dependencies: MeetingsDependencies) {
    this.#dependencies = dependencies;
  }

  /** Whether anybody is waited for. */
  get areGoingOn(): boolean {
    return this.#meetings.size > 0;
  }

  /**
   * Resolves when all have been seen, or two seconds after they were asked, or after ten seconds
   * whatever the host does.
   * @returns where, of those that were seen
   */
  gather(members: readonly MemberRecord[]): Promise<Sightings> {
    const sinceMs = this.#dependencies.clock.monotonicMs();
    return new Promise((end) => {
      this.#meetings.add({ members, sinceMs, end });
      if (!this.#isWatched) void this.#endOverdue();
    });
  }

  /** Ends what `look` cannot. */
  async #endOverdue(): Promise<void> {
    const { clock, signal } = this.#dependencies;
    this.#isWatched = true;
    while (this.#meetings.size > 0 && !signal.aborted) {
      await clock.sleep(watchEveryMs, signal).catch(() => undefined);
      const overdueMs = clock.monotonicMs() - longestWaitMs;
      for (const meeting of this.#meetings) {
        if (meeting.sinceMs > overdueMs) continue;
        this.#meetings.delete(meeting);
        meeting.end(new Map());
      }
    }
    this.#isWatched = false;
  }

  /** @throws HostError; then whoever is waited for is waited for still */
  async look(): Promise<void> {
    await this.#ask();
    if (this.#meetings.size > 0) await this.#endThoseWhoMet();
  }

  /**
   * A member says hello as soon as it is asked, and again only seconds later: so the host has its
   * peer before, and nobody is asked until it has.
   */
  async #ask(): Promise<void> {
    const { clock, gateway } = this.#dependencies;
    const nowMs = clock.nowMs();
    const begun = [...this.#meetings].filter(({ askedMs }) => askedMs === undefined);
    const invited = begun.flatMap(({ members }) => members);
    const areNew = invited.map((member) => gateway.rendezvous.invite(member, nowMs));
    const hasLeft = gateway.rendezvous.clear(nowMs);
    if (begun.length === 0 && !hasLeft) return;
    if (hasLeft || areNew.includes(true)) this.#isHostCurrent = false;
    if (!this.#isHostCurrent && !(await this.#refresh())) return;
    for (const { subset, name } of new Set(invited)) {
      this.#dependencies.hub.find(subset, name)?.send({ type: 'meet' });
    }
    for (const meeting of begun) meeting.askedMs = clock.nowMs();
  }

  /** @returns whether the host has all of them now */
  async #refresh(): Promise<boolean> {
    const { clock, gateway } = this.#dependencies;
    if (clock.monotonicMs() < this.#refreshFromMs) return false;
    this.#isHostCurrent = await gateway.refresh();
    if (!this.#isHostCurrent) this.#refreshFromMs = clock.monotonicMs() + refreshAgainMs;
    return this.#isHostCurrent;
  }

  async #endThoseWhoMet(): Promise<void> {
    const { clock, gateway } = this.#dependencies;
    const observed = await gateway.observeRendezvous();
    const nowMs = clock.nowMs();
    const sinceMs = this.#sessionsSinceMs();
    const sightings = new Map(
      observed.flatMap(({ publicKey, endpoint, latestHandshakeMs = 0 }) => {
        const isAlive = nowMs - latestHandshakeMs < livingHandshakeMs;
        const isOfSession = latestHandshakeMs >= (sinceMs.get(publicKey) ?? 0);
        return endpoint && isAlive && isOfSession ? [[publicKey, endpoint]] : [];
      }),
    );
    let ended = 0;
    for (const meeting of [...this.#meetings]) {
      const { members, askedMs = nowMs, end } = meeting;
      const isComplete = members.every(({ keys }) => sightings.has(keys.acting));
      if (!isComplete && nowMs - askedMs < longestMeetingMs) continue;
      this.#meetings.delete(meeting);
      end(sightings);
      ended += 1;
      if (ended % endsAtOnce === 0) await setImmediate();
    }
  }

  /**
   * Of those that are waited for, by whole seconds as handshakes are told: who has begun another session
   * since it was seen may be elsewhere.
   */
  #sessionsSinceMs(): ReadonlyMap<WireguardPublicKey, number> {
    const members = [...this.#meetings].flatMap((meeting) => meeting.members);
    return new Map(
      members.map(({ subset, name, keys }) => {
        const { sinceMs = 0 } = this.#dependencies.hub.find(subset, name) ?? {};
        return [keys.acting, Math.floor(sinceMs / 1_000) * 1_000];
      }),
    );
  }
}
