import { maxCandidates } from '../../api/direct-messages.ts';
import { addressIndexOf } from '../../core/addressing.ts';
import { candidatesOf, type Reachability } from '../../core/direct-candidates.ts';
import type { Conversation } from '../../host/firewall/conversation-listing.ts';
import type { PeerObservation } from '../../host/host.ts';
import { describeError } from '../../model/error.ts';
import type { Address } from '../../model/prefix.ts';
import type { MemberRecord } from '../../model/records.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import type { Directory } from '../directory/directory.ts';
import type { MemberSession } from '../session/member-session.ts';
import type { SessionHub } from '../session/session-hub.ts';
import type { ServedSubset } from '../subset/served-subset.ts';
import { type Acquaintance, hasWaitedEnough, isForgotten, sawThem } from './acquaintance.ts';
import type { Rendezvous } from './rendezvous.ts';

export interface IntroductionsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly hub: SessionHub;
  readonly directory: Pick<Directory, 'subsets'>;
  readonly subsets: { serving(): Iterable<ServedSubset> };
  readonly gateway: {
    readonly rendezvous: Rendezvous;
    /** Who has exchanged packets through this master in the last seconds. */
    conversations(): Promise<readonly Conversation[]>;
    observeRendezvous(): Promise<readonly PeerObservation[]>;
    refresh(): Promise<boolean>;
  };
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
/** New ones in one look; the others are as new in the next. */
const mostAtOnce = 100;
const clearEveryMs = 10_000;
/** WireGuard gives up a handshake that is older (whitepaper §6.2). */
const livingHandshakeMs = 180_000;

/**
 * Introduces members that talk through this master to each other, so that they can do it directly
 * (DESIGN §8). What it costs grows with conversations that pass by here, not with members: those
 * that have found their way are out of the kernel's sight.
 */
export class Introductions {
  readonly #dependencies: IntroductionsDependencies;
  readonly #entries = new Map<string, Entry>();
  readonly #meeting = new Set<Entry>();
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
    const { clock } = this.#dependencies;
    while (!signal.aborted) {
      try {
        await this.look();
        this.#trouble = '';
      } catch (error) {
        if (signal.aborted) return;
        this.#note(error);
      }
      const waitMs = this.#meeting.size > 0 ? lookWhileMeetingMs : lookEveryMs;
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** One look at who talks, and what follows from it. @throws HostError */
  async look(): Promise<void> {
    const { gateway, clock } = this.#dependencies;
    const conversations = await gateway.conversations();
    const nowMs = clock.nowMs();
    const hasLeft = gateway.rendezvous.clear(nowMs);
    const hasCome = this.#take(conversations, nowMs);
    if (nowMs - this.#clearedMs >= clearEveryMs) this.#clear(nowMs);
    if (hasLeft || hasCome) await gateway.refresh();
    await this.#introduceThoseWhoMet();
  }

  /** Gives the member's younger certificate to those who have a direct path to it. */
  reintroduce({ member }: MemberSession): void {
    const { hub, subsets, clock } = this.#dependencies;
    const served = [...subsets.serving()].find(({ subset }) => subset === member.subset);
    const record = served?.roll.findActive(member.name);
    if (!record) return;
    const how = { candidates: [], isFirst: false, nowMs: clock.nowMs() };
    for (const holder of hub.holdersOf(member.subset, record.keys.acting)) {
      present({ member: record, session: this.#sessionOf(record) }, holder, how);
    }
  }

  /** @returns whether anybody is to come to the rendezvous who was not there */
  #take(conversations: readonly Conversation[], nowMs: number): boolean {
    let hasCome = false;
    let begun = 0;
    for (const { one, other } of conversations) {
      const pair = this.#pairOf(one, other);
      if (!pair) continue;
      const known = this.#entries.get(keyOf(pair));
      const { begin, attempts } = sawThem(known?.acquaintance, nowMs);
      if (known && !begin) known.acquaintance = { ...known.acquaintance, seenMs: nowMs };
      else if (begun < mostAtOnce && this.#canMeet(pair)) {
        begun += 1;
        hasCome = this.#begin(pair, attempts, nowMs) || hasCome;
      }
    }
    return hasCome;
  }

  #begin(pair: Pair, attempts: number, nowMs: number): boolean {
    const before = this.#entries.get(keyOf(pair));
    if (before) this.#meeting.delete(before);
    const acquaintance = { phase: 'meeting', sinceMs: nowMs, attempts, seenMs: nowMs } as const;
    const entry: Entry = { pair, acquaintance };
    this.#entries.set(keyOf(pair), entry);
    this.#meeting.add(entry);
    return this.#invite(pair, nowMs);
  }

  #clear(nowMs: number): void {
    this.#clearedMs = nowMs;
    for (const [key, { acquaintance }] of this.#entries) {
      if (isForgotten(acquaintance, nowMs)) this.#entries.delete(key);
    }
  }

  /** Undefined unless both are members of one subset that is served here. */
  #pairOf(one: Address, other: Address): Pair | undefined {
    for (const { subset, roll } of this.#dependencies.subsets.serving()) {
      const blocks = this.#dependencies.directory.subsets.get(subset)?.record;
      if (!blocks) continue;
      const [first, second] = [one, other].map((address) => {
        const index = addressIndexOf(blocks, address);
        const member = index === undefined ? undefined : roll.findByPlace(index);
        return member?.state === 'active' ? member : undefined;
      });
      if (first && second) return inOrder(first, second);
    }
    return undefined;
  }

  #canMeet(pair: Pair): boolean {
    return pair.every((member) => this.#sessionOf(member)?.direct.hasRoom);
  }

  #invite(pair: Pair, nowMs: number): boolean {
    const { rendezvous } = this.#dependencies.gateway;
    const areNew = pair.map((member) => {
      this.#sessionOf(member)?.send({ type: 'meet' });
      return rendezvous.invite(member, nowMs);
    });
    return areNew.includes(true);
  }

  async #introduceThoseWhoMet(): Promise<void> {
    if (this.#meeting.size === 0) return;
    const sights = await this.#dependencies.gateway.observeRendezvous();
    const nowMs = this.#dependencies.clock.nowMs();
    const observed = new Map(
      sights.flatMap(({ publicKey, endpoint, latestHandshakeMs = 0 }) =>
        endpoint && nowMs - latestHandshakeMs < livingHandshakeMs ? [[publicKey, endpoint]] : [],
      ),
    );
    for (const entry of this.#meeting) {
      const isComplete = entry.pair.every(({ keys }) => observed.has(keys.acting));
      if (!isComplete && !hasWaitedEnough(entry.acquaintance, nowMs)) continue;
      entry.acquaintance = { ...entry.acquaintance, phase: 'introduced', sinceMs: nowMs };
      this.#meeting.delete(entry);
      this.#introduce(entry.pair, observed, nowMs);
    }
  }

  #introduce(pair: Pair, observed: ReadonlyMap<WireguardPublicKey, string>, nowMs: number): void {
    const ends = pair.map((member) => ({ member, ...this.#reachability(member, observed) }));
    const [first, second] = ends;
    if (!first?.session || !second?.session) return;
    const toSecond = candidatesOf(first, second, maxCandidates);
    const toFirst = candidatesOf(second, first, maxCandidates);
    // Of one that is nowhere to be found nothing can be told.
    if (toFirst.length === 0 || toSecond.length === 0) return;
    present(second, first.session, { candidates: toFirst, isFirst: true, nowMs });
    present(first, second.session, { candidates: toSecond, isFirst: false, nowMs });
    this.#dependencies.onIntroduced();
  }

  #reachability(
    member: MemberRecord,
    observed: ReadonlyMap<WireguardPublicKey, string>,
  ): Reachability & { readonly session: MemberSession | undefined } {
    const session = this.#sessionOf(member);
    const { addresses = [], port = 0 } = session?.direct.contact ?? {};
    const endpoint = observed.get(member.keys.acting);
    return { session, addresses, port, ...(endpoint === undefined ? {} : { observed: endpoint }) };
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

/** Tells one member of the other. */
function present(
  {
    member,
    session,
  }: { readonly member: MemberRecord; readonly session: MemberSession | undefined },
  to: MemberSession,
  how: {
    readonly candidates: readonly string[];
    readonly isFirst: boolean;
    readonly nowMs: number;
  },
): void {
  const { name, ipv4, ipv6, keys } = member;
  const chain = [...(session?.chain() ?? [])];
  if (chain.length === 0) return;
  to.direct.noteIntroduced(keys.acting, how.nowMs);
  const { candidates, isFirst } = how;
  to.send({ type: 'introduce', name, chain, ipv4, ipv6, candidates: [...candidates], isFirst });
}

function inOrder(one: MemberRecord, other: MemberRecord): Pair {
  return one.keys.acting < other.keys.acting ? [one, other] : [other, one];
}

function keyOf([one, other]: Pair): string {
  return `${one.keys.acting} ${other.keys.acting}`;
}
