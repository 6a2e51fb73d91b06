import { maxCandidates } from '../../api/direct-messages.ts';
import { candidatesOf } from '../../core/direct-candidates.ts';
import type { Conversation } from '../../host/firewall/conversation-listing.ts';
import type { OpenPair } from '../../host/relay/relay.ts';
import { describeError } from '../../model/error.ts';
import type { SubsetName } from '../../model/names.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { MemberSession } from '../session/member-session.ts';
import type { SessionHub } from '../session/session-hub.ts';
import type { ServedSubset } from '../subset/served-subset.ts';
import { type Acquaintance, isForgotten, sawThem } from './acquaintance.ts';
import type { DistantPairs } from './distant-pairs.ts';
import type { Meetings, Sightings } from './meetings.ts';
import { present } from './presentation.ts';
import { reachOf } from './reach.ts';
import type { RelayedPairs } from './relayed-pairs.ts';
import type { MemberPlace, Whereabouts } from './whereabouts.ts';

export interface IntroductionsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly hub: SessionHub;
  readonly directory: Pick<Directory, 'keyingPhase'>;
  readonly subsets: { findServed(subset: SubsetName): ServedSubset | undefined };
  readonly whereabouts: Whereabouts;
  readonly gateway: {
    /** Who has exchanged packets through this master in the last seconds. */
    conversations(): Promise<readonly Conversation[]>;
    /** Who has begun to in the last second. */
    begunConversations(): Promise<readonly Conversation[]>;
  };
  readonly meetings: Meetings;
  /** For two that cannot reach each other. */
  readonly relays: Pick<RelayedPairs, 'open'>;
  /** For two of whom one has its session with another master. */
  readonly distant: Pick<DistantPairs, 'saw' | 'clear'>;
  /** Two members were introduced to each other. */
  readonly onIntroduced: () => void;
}

/** The two ends of a conversation, in the order of their keys. */
type Pair = readonly [MemberRecord, MemberRecord];

interface Entry {
  readonly pair: Pair;
  acquaintance: Acquaintance;
}

/** A first packet should be on its direct path within a second. */
const lookEveryMs = 200;
const lookWhileMeetingMs = 50;
/** Half of the time for which the kernel remembers them: those that go on are looked at for their next trial. */
const lookAtAllEveryMs = 2_500;
/** With thousands at the rendezvous a look takes long; so many times as long everything else has its turn. */
const restShare = 4;
const longestRestMs = 1_000;
/** New ones in one look; the others begin with the next. */
const mostAtOnce = 1_000;
const clearEveryMs = 10_000;

/**
 * Introduces members that talk through this master to each other, so that they can do it directly
 * (DESIGN §8). What it costs grows with conversations that pass by here, not with members: those
 * that have found their way are out of the kernel's sight.
 */
export class Introductions {
  readonly #dependencies: IntroductionsDependencies;
  readonly #entries = new Map<string, Entry>();
  /** By the monotonic clock. */
  #lookAtAllFromMs = Number.NEGATIVE_INFINITY;
  #clearedMs = 0;
  #trouble = '';

  constructor(dependencies: IntroductionsDependencies) {
    this.#dependencies = dependencies;
  }

  /** How many pairs are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** Looks until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, meetings } = this.#dependencies;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      try {
        await this.look();
        this.#trouble = '';
      } catch (error) {
        if (signal.aborted) return;
        this.#note(error);
      }
      const restMs = Math.min(longestRestMs, restShare * (clock.monotonicMs() - startedMs));
      const waitMs = meetings.areGoingOn ? lookWhileMeetingMs : lookEveryMs;
      await clock.sleep(Math.max(waitMs, restMs), signal).catch(() => undefined);
    }
  }

  /** Somebody has a session here now: whom it talks to already is nothing new. */
  lookAtAll(): void {
    this.#lookAtAllFromMs = Number.NEGATIVE_INFINITY;
  }

  /** One look at who talks, and what follows from it. @throws HostError */
  async look(): Promise<void> {
    try {
      await this.#lookWhoTalks();
    } finally {
      await this.#dependencies.meetings.look();
    }
  }

  async #lookWhoTalks(): Promise<void> {
    const { gateway, clock } = this.#dependencies;
    const startedMs = clock.monotonicMs();
    const isForAll = startedMs >= this.#lookAtAllFromMs;
    // Before the look, in which somebody may come.
    if (isForAll) this.#lookAtAllFromMs = startedMs + lookAtAllEveryMs;
    const conversations = await (isForAll ? gateway.conversations() : gateway.begunConversations());
    const nowMs = clock.nowMs();
    const areLeft = this.#take(conversations, nowMs);
    // They may be nothing new any more by the next look.
    if (areLeft) this.#lookAtAllFromMs = startedMs;
    if (nowMs - this.#clearedMs >= clearEveryMs) this.#clear(nowMs);
  }

  /** Gives the member's younger certificate to those who have a direct path to it. */
  reintroduce({ member }: MemberSession): void {
    const { hub, subsets, clock } = this.#dependencies;
    const record = subsets.findServed(member.subset)?.roll.findActive(member.name);
    if (!record) return;
    const how = { candidates: [], isFirst: false, nowMs: clock.nowMs() };
    for (const holder of hub.holdersOf(record.keys.acting)) {
      present({ member: record, session: this.#sessionOf(record) }, holder, how);
    }
  }

  /** @returns whether some have to wait for the next look */
  #take(conversations: readonly Conversation[], nowMs: number): boolean {
    const { whereabouts } = this.#dependencies;
    let begun = 0;
    for (const { one, other } of conversations) {
      const [first, second] = [whereabouts.placeAt(one), whereabouts.placeAt(other)];
      if (!first || !second || !this.#haveOneKey(first, second)) continue;
      if (this.#saw([first, second], begun < mostAtOnce, nowMs)) begun += 1;
    }
    return begun >= mostAtOnce;
  }

  #haveOneKey(first: MemberPlace, second: MemberPlace): boolean {
    return (
      first.subset.name === second.subset.name ||
      this.#dependencies.directory.keyingPhase !== 'per-subset'
    );
  }

  /** @returns whether there is one acquaintance more */
  #saw(
    [first, second]: readonly [MemberPlace, MemberPlace],
    mayBegin: boolean,
    nowMs: number,
  ): boolean {
    const [one, other] = [this.#presentAt(first), this.#presentAt(second)];
    if (one && other) return this.#sawPair(inOrder(one, other), mayBegin, nowMs);
    const { directory, distant } = this.#dependencies;
    if (directory.keyingPhase === 'per-subset') return false;
    if (one) return distant.saw(one, second, mayBegin);
    return other !== undefined && distant.saw(other, first, mayBegin);
  }

  /** The member at the place, if it has its session here. */
  #presentAt(place: MemberPlace): MemberRecord | undefined {
    const member = this.#dependencies.whereabouts.memberAt(place);
    return member && this.#sessionOf(member) && member;
  }

  #sawPair(pair: Pair, mayBegin: boolean, nowMs: number): boolean {
    const known = this.#entries.get(keyOf(pair));
    const { begin, attempts } = sawThem(known?.acquaintance, this.#sessionsSinceMs(pair), nowMs);
    if (known && !begin) known.acquaintance = { ...known.acquaintance, seenMs: nowMs };
    if (!begin || !mayBegin || !this.#canMeet(pair)) return false;
    const times = { sinceMs: nowMs, askedMs: nowMs, seenMs: nowMs };
    const acquaintance = { phase: 'meeting', attempts, ...times } as const;
    const entry: Entry = { pair, acquaintance };
    this.#entries.set(keyOf(pair), entry);
    void this.#bringTogether(entry);
    return true;
  }

  #sessionsSinceMs(pair: Pair): number {
    return Math.max(...pair.map((member) => this.#sessionOf(member)?.sinceMs ?? 0));
  }

  #clear(nowMs: number): void {
    this.#clearedMs = nowMs;
    this.#dependencies.distant.clear(nowMs);
    for (const [key, { acquaintance }] of this.#entries) {
      if (isForgotten(acquaintance, nowMs)) this.#entries.delete(key);
    }
  }

  #canMeet(pair: Pair): boolean {
    return pair.every((member) => this.#sessionOf(member)?.direct.hasRoom);
  }

  async #bringTogether(entry: Entry): Promise<void> {
    const sightings = await this.#dependencies.meetings.gather(entry.pair);
    const sinceMs = this.#dependencies.clock.nowMs();
    entry.acquaintance = { ...entry.acquaintance, phase: 'introduced', sinceMs };
    await this.#introduce(entry.pair, sightings);
  }

  async #introduce(pair: Pair, sightings: Sightings): Promise<void> {
    const relay = await this.#openRelay(pair, sightings);
    const nowMs = this.#dependencies.clock.nowMs();
    const [first, second] = pair.map((member) => ({ member, session: this.#sessionOf(member) }));
    if (!first?.session || !second?.session) return;
    const [ofFirst, ofSecond] = [reachOf(first, sightings), reachOf(second, sightings)];
    if (!ofFirst || !ofSecond) return;
    const toSecond = candidatesOf(ofFirst, ofSecond, maxCandidates);
    const toFirst = candidatesOf(ofSecond, ofFirst, maxCandidates);
    // Of one that is nowhere to be found nothing can be told.
    if (toFirst.length === 0 || toSecond.length === 0) return;
    const forFirst = { candidates: toFirst, isFirst: true, relayPort: relay?.firstPort, nowMs };
    const forSecond = { candidates: toSecond, isFirst: false, relayPort: relay?.secondPort, nowMs };
    present(second, first.session, forFirst);
    present(first, second.session, forSecond);
    this.#dependencies.onIntroduced();
  }

  async #openRelay(pair: Pair, sightings: Sightings): Promise<OpenPair | undefined> {
    const [first, second] = pair.flatMap(({ keys: { acting: key } }) => {
      const endpoint = sightings.get(key);
      return endpoint === undefined ? [] : [{ key, endpoint }];
    });
    return first && second ? await this.#dependencies.relays.open(first, second) : undefined;
  }

  #sessionOf({ subset, name }: MemberRecord): MemberSession | undefined {
    return this.#dependencies.hub.find(subset, name);
  }

  #note(error: unknown): void {
    const reason = describeError(error);
    if (reason === this.#trouble) return;
    this.#trouble = reason;
    this.#dependencies.log.warn({ reason }, 'cannot see who talks, so nobody is introduced');
  }
}

function inOrder(one: MemberRecord, other: MemberRecord): Pair {
  return one.keys.acting < other.keys.acting ? [one, other] : [other, one];
}

function keyOf([one, other]: Pair): string {
  return `${one.keys.acting} ${other.keys.acting}`;
}
