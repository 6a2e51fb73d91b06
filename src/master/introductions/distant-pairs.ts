import { maxCandidates, maxDirectPeers } from '../../api/direct-messages.ts';
import type { IntroductionRequest, MemberPresence } from '../../api/path-endpoints.ts';
import { candidatesOf } from '../../core/direct-candidates.ts';
import type { MasterName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { bucketOf, type TokenBucket } from '../../runtime/token-bucket.ts';
import type { Directory } from '../directory/directory.ts';
import { MasterError } from '../master-error.ts';
import type { MemberSession } from '../session/member-session.ts';
import type { SessionHub } from '../session/session-hub.ts';
import type { ServedSubset } from '../subset/served-subset.ts';
import { type Acquaintance, isForgotten, isTalking, type Sight, sawThem } from './acquaintance.ts';
import { identifyAsking, memberAt, placeOfAsking, requireOneKey } from './asking-member.ts';
import type { Meetings, Sightings } from './meetings.ts';
import type { OtherMasters, Stranger } from './other-masters.ts';
import { presenceOf, tell } from './presentation.ts';
import { reachOf } from './reach.ts';
import type { MemberPlace, Whereabouts } from './whereabouts.ts';

export interface DistantPairsDependencies {
  readonly clock: Clock;
  readonly hub: Pick<SessionHub, 'find'>;
  readonly directory: Pick<Directory, 'keyingPhase' | 'isServing'>;
  readonly whereabouts: Whereabouts;
  readonly meetings: Pick<Meetings, 'gather'>;
  readonly others: OtherMasters;
  /** Two members were introduced to each other. */
  readonly onIntroduced: () => void;
}

interface Entry {
  readonly member: MemberRecord;
  /** Of the other one, whose session is with another master. */
  readonly place: MemberPlace;
  acquaintance: Acquaintance;
  /** When the other one's master last had the two introduced. */
  answeredMs?: number;
}

/** Of one member: each costs another master a call. */
const beginRate = { perSecond: 1, burst: maxDirectPeers };
/** Of one master, in introductions that it asks for: far above what its members' conversations make. */
const answerRate = { perSecond: 500, burst: 2_000 };
/** The other end's packets may be seen a look, and a round trip, later. */
const sightingMs = 1_000;
const sightingPollMs = 50;
/** A master that keeps to its own pace has lost sight of the same two before it asks again, or its member has connected anew: both take longer. */
const answerAgainMs = 2_000;

/**
 * Introduces members that talk to members of other masters. Both masters see the two talk, and ask
 * their own one to the rendezvous; the master of the one with the lower address then asks the other
 * one, and each tells its own. Nobody is introduced whom a member does not send to by itself, whatever
 * another master says.
 */
export class DistantPairs {
  readonly #dependencies: DistantPairsDependencies;
  readonly #entries = new Map<string, Entry>();
  readonly #begun = new WeakMap<MemberSession, TokenBucket>();
  readonly #asked = new Map<MasterName, TokenBucket>();

  constructor(dependencies: DistantPairsDependencies) {
    this.#dependencies = dependencies;
  }

  /** How many pairs are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /**
   * A packet between the member, whose session is here, and the other one came by.
   * @param mayBegin whether there is time for one more
   * @returns whether one more has begun
   */
  saw(member: MemberRecord, place: MemberPlace, mayBegin: boolean): boolean {
    const nowMs = this.#dependencies.clock.nowMs();
    const id = idOf(member, place);
    const known = this.#entries.get(id);
    const session = this.#dependencies.hub.find(member.subset, member.name);
    const sight = sawThem(known?.acquaintance, session?.sinceMs ?? 0, nowMs);
    if (known) known.acquaintance = { ...known.acquaintance, seenMs: nowMs };
    if (!sight.begin || !mayBegin || !this.#mayBegin(member)) return false;
    const times = { sinceMs: nowMs, askedMs: nowMs, seenMs: nowMs };
    const acquaintance = { phase: 'meeting', attempts: sight.attempts, ...times } as const;
    const entry = { ...known, member, place, acquaintance };
    this.#entries.set(id, entry);
    void this.#begin(entry, sight);
    return true;
  }

  /** Forgets those that have not talked for long. */
  clear(nowMs: number): void {
    for (const [id, { acquaintance }] of this.#entries) {
      if (isForgotten(acquaintance, nowMs)) this.#entries.delete(id);
    }
  }

  /**
   * Introduces a member of another master to the one at the address, which has its session here and
   * sends to it.
   * @param from the master that asks
   * @returns the latter, and how it is reached
   * @throws MasterError `no-such-member`, `not-connected`, `busy`; `refused` where they have no key in
   *   common, do not talk, or when what is said of the other one does not hold
   */
  async answer(
    served: ServedSubset,
    { address, member: other }: IntroductionRequest,
    from: MasterName,
  ): Promise<MemberPresence> {
    if (!this.#isWithinRate(from)) throw busy(`${from} asks for too many introductions`);
    requireOneKey(this.#dependencies.directory);
    const member = memberAt(served, address, this.#dependencies.whereabouts);
    this.#requireSession(member);
    const place = placeOfAsking(other, from, this.#dependencies);
    const entry = await this.#awaitSight(member, place);
    const nowMs = this.#dependencies.clock.nowMs();
    if (nowMs - (entry.answeredMs ?? 0) < answerAgainMs)
      throw busy('they were introduced just now');
    entry.answeredMs = nowMs;
    const [stranger, sightings] = await Promise.all([
      identifyAsking(other, entry.place, this.#dependencies.others),
      this.#dependencies.meetings.gather([member]),
    ]);
    return this.#introduceTo(member, stranger, sightings);
  }

  async #begin(entry: Entry, { isReconnected }: Sight): Promise<void> {
    const { meetings } = this.#dependencies;
    const { member, place } = entry;
    const sightings = await meetings.gather([member]);
    // Else the other one's master will ask, and finds the member at the rendezvous; but it cannot know who has connected anew.
    if (member.ipv6 < place.ipv6 || isReconnected) await this.#ask(entry, sightings);
    const sinceMs = this.#dependencies.clock.nowMs();
    entry.acquaintance = { ...entry.acquaintance, phase: 'introduced', sinceMs };
  }

  async #ask({ member, place }: Entry, sightings: Sightings): Promise<void> {
    const { hub, others, onIntroduced } = this.#dependencies;
    const own = this.#presence(member, sightings);
    if (!own) return;
    const request = { address: place.ipv6, member: own };
    const found = await others.introduce(place.subset, request);
    const session = hub.find(member.subset, member.name);
    // A master of an earlier version has made a sealed tunnel, and says nothing of direct paths.
    if (!found?.direct || !session || !this.#haveOneKey) return;
    this.#tell(session, found, own, true);
    onIntroduced();
  }

  /** The one that is told first leaves the other one a moment to be there. */
  #introduceTo(member: MemberRecord, stranger: Stranger, sightings: Sightings): MemberPresence {
    requireOneKey(this.#dependencies.directory);
    const session = this.#requireSession(member);
    const own = this.#presence(member, sightings);
    if (!own) throw notHere(member);
    this.#tell(session, stranger, own, false);
    return own;
  }

  #tell(to: MemberSession, other: Stranger, own: MemberPresence, isFirst: boolean): void {
    const { direct: reach } = other;
    const candidates = reach ? candidatesOf(reach, own.direct ?? {}, maxCandidates) : [];
    const { clock, others } = this.#dependencies;
    // Of one that is nowhere to be found nothing can be told.
    if (candidates.length === 0 || others.hasLeft(other.key)) return;
    tell(to, other, { candidates, isFirst, nowMs: clock.nowMs() });
  }

  #presence(member: MemberRecord, sightings: Sightings): MemberPresence | undefined {
    const session = this.#dependencies.hub.find(member.subset, member.name);
    const presence = presenceOf({ member, session });
    const direct = reachOf({ member, session }, sightings);
    return presence && direct && { ...presence, direct };
  }

  /** @throws MasterError `refused` unless the member has sent to the place in the last seconds */
  async #awaitSight(member: MemberRecord, place: MemberPlace): Promise<Entry> {
    const { clock } = this.#dependencies;
    for (let waitedMs = 0; waitedMs <= sightingMs; waitedMs += sightingPollMs) {
      const entry = this.#entries.get(idOf(member, place));
      if (entry && isTalking(entry.acquaintance, clock.nowMs())) return entry;
      await clock.sleep(sightingPollMs);
    }
    throw new MasterError(`${member.name} has not sent anything to ${place.ipv6}`, {
      code: 'refused',
      retryable: true,
    });
  }

  #requireSession(member: MemberRecord): MemberSession {
    const session = this.#dependencies.hub.find(member.subset, member.name);
    if (!session?.direct.contact) throw notHere(member);
    if (session.direct.hasRoom) return session;
    throw busy(`${member.name} has as many direct paths as it can`);
  }

  get #haveOneKey(): boolean {
    return this.#dependencies.directory.keyingPhase !== 'per-subset';
  }

  #mayBegin(member: MemberRecord): boolean {
    const session = this.#dependencies.hub.find(member.subset, member.name);
    if (!session?.direct.hasRoom) return false;
    const nowMs = this.#dependencies.clock.monotonicMs();
    return bucketOf(this.#begun, session, beginRate, nowMs).take(nowMs);
  }

  #isWithinRate(from: MasterName): boolean {
    const nowMs = this.#dependencies.clock.monotonicMs();
    return bucketOf(this.#asked, from, answerRate, nowMs).take(nowMs);
  }
}

function idOf({ keys }: MemberRecord, { ipv6 }: MemberPlace): string {
  return `${keys.acting} ${ipv6}`;
}

function busy(reason: string): MasterError {
  return new MasterError(reason, { code: 'busy', fields: { reason }, retryable: true });
}

function notHere({ name }: MemberRecord): MasterError {
  return new MasterError(`${name} has no session here that could be told`, {
    code: 'not-connected',
    fields: { member: name },
    retryable: true,
  });
}
