import { addressesIn, type BlockPair, parseMemberInterfaceId } from '../../core/addressing.ts';
import type { BlockRoute, StrayMember } from '../../core/block-routes.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import { type Ask, isLater, type Stray } from '../../paths/probe-message.ts';

/** Where a member's address block is routed now. */
export interface StrayPlace {
  readonly subset: SubsetName;
  readonly pair: BlockPair;
  readonly via: BlockRoute['via'];
}

export interface StrayFacts {
  /** Undefined for what is in no block of a subset that this master serves. */
  readonly placeOf: (interfaceId: bigint) => StrayPlace | undefined;
  /** Whether what that master says about the subset's members counts: it serves the subset, and is alive. */
  readonly mayClaim: (master: MasterName, subset: SubsetName) => boolean;
}

export interface StrayPlan {
  /** Members whose addresses need routes of their own. */
  readonly routes: readonly StrayMember[];
  /** Those that this master delivers for all others, by subset: the others must be told. */
  readonly claims: ReadonlyMap<SubsetName, readonly Stray[]>;
  /** When the plan becomes another one by itself, at the latest; Infinity for never. */
  readonly dueMs: number;
}

/** What a member said of its tunnel to this master. */
interface Use {
  /** Of its last word. */
  readonly sequence: number;
  /** Of its last word that it uses this master. */
  readonly usedSequence: number;
  readonly sinceMs: number;
  readonly heardMs: number;
  /** When it said that it uses another one; absent while it uses this. */
  readonly endedMs?: number;
}

interface Claim {
  readonly master: MasterName;
  readonly sequence: number;
}

/** So long a death of a master may take to be seen by one more than by another, before all its members count as strays. */
const settleMs = 200;
/** Members say it every five seconds, and one probe may be lost. */
const useLifeMs = 12_000;
/** After a member has gone elsewhere it is delivered on for so long, because not all have heard of it. */
const deliverOnMs = 6_000;
/** Masters say it every second. */
const claimLifeMs = 3_000;

/**
 * Members that use another master than their block does, because they cannot reach that one, as far
 * as this master has heard: from members about itself, from other masters about themselves. What a
 * member has said last counts, by the member's own count, so that all masters come to the same result.
 */
export class StrayMembers {
  readonly #uses = new Map<bigint, Use>();
  readonly #claims = new Map<MasterName, Map<bigint, { sequence: number; heardMs: number }>>();
  #isChanged = false;

  /** Whether anything was heard since the last plan that may make it another one. */
  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** A member probed its tunnel to this master. */
  heardUse(
    interfaceId: bigint,
    { using, sequence }: Pick<Ask, 'using' | 'sequence'>,
    nowMs: number,
  ) {
    const before = this.#uses.get(interfaceId);
    if (before && !isLater(sequence, before.sequence)) return;
    const wasUsing = before !== undefined && endOf(before) > nowMs;
    if (!using && !wasUsing) return;
    this.#isChanged ||= using !== wasUsing;
    const sinceMs = wasUsing ? before.sinceMs : nowMs;
    const usedSequence = using || !before ? sequence : before.usedSequence;
    const use = { sequence, usedSequence, sinceMs, heardMs: nowMs };
    this.#uses.set(interfaceId, using ? use : { ...use, endedMs: nowMs });
  }

  /** Another master said which members use it. */
  heardClaims(master: MasterName, strays: readonly Stray[], nowMs: number): void {
    const claims = this.#claims.get(master) ?? new Map();
    this.#claims.set(master, claims);
    for (const { interfaceId, sequence } of strays) {
      this.#isChanged ||= !claims.has(interfaceId) || this.#uses.has(interfaceId);
      claims.set(interfaceId, { sequence, heardMs: nowMs });
    }
  }

  plan(facts: StrayFacts, nowMs: number): StrayPlan {
    this.#isChanged = false;
    const planning = new Planning(facts, nowMs);
    const claimed = this.#newestClaims(planning);
    for (const [id, use] of this.#uses) {
      if (nowMs >= endOf(use) + deliverOnMs || !facts.placeOf(id)) this.#uses.delete(id);
      else planning.addUse(id, use, claimed.get(id));
    }
    for (const [id, claim] of claimed) if (!this.#uses.has(id)) planning.addClaim(id, claim);
    return planning.result();
  }

  #newestClaims(planning: Planning): ReadonlyMap<bigint, Claim> {
    const newest = new Map<bigint, Claim>();
    for (const [master, claims] of this.#claims) {
      for (const [id, { sequence, heardMs }] of claims) {
        if (!planning.isClaimGood(id, master, heardMs)) {
          claims.delete(id);
          continue;
        }
        const other = newest.get(id);
        if (!other || isLater(sequence, other.sequence)) newest.set(id, { master, sequence });
      }
      if (claims.size === 0) this.#claims.delete(master);
    }
    return newest;
  }
}

/** When a member that says no more counts as gone. */
function endOf({ heardMs, endedMs }: Use): number {
  return endedMs ?? heardMs + useLifeMs;
}

/** One plan in the making. */
class Planning {
  readonly #facts: StrayFacts;
  readonly #nowMs: number;
  readonly #routes: StrayMember[] = [];
  readonly #claims = new Map<SubsetName, Stray[]>();
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(facts: StrayFacts, nowMs: number) {
    this.#facts = facts;
    this.#nowMs = nowMs;
  }

  isClaimGood(id: bigint, master: MasterName, heardMs: number): boolean {
    const place = this.#facts.placeOf(id);
    if (!place || this.#nowMs >= heardMs + claimLifeMs) return false;
    this.#dueAt(heardMs + claimLifeMs);
    return this.#facts.mayClaim(master, place.subset);
  }

  addUse(id: bigint, use: Use, claim: Claim | undefined): void {
    // Also of a member that has left this master: what is claimed may be older than its last use here.
    if (claim && isLater(claim.sequence, use.usedSequence)) this.addClaim(id, claim);
    else this.#addOwn(id, use, endOf(use) > this.#nowMs);
  }

  addClaim(id: bigint, { master }: Claim): void {
    this.#addRoute(id, master);
  }

  result(): StrayPlan {
    return { routes: this.#routes, claims: this.#claims, dueMs: this.#dueMs };
  }

  #addOwn(id: bigint, use: Use, isUsing: boolean): void {
    const place = this.#facts.placeOf(id);
    if (!place || place.via === 'members') return;
    const settledMs = use.sinceMs + settleMs;
    if (settledMs >= endOf(use)) return;
    if (this.#nowMs < settledMs) {
      this.#dueAt(settledMs);
      return;
    }
    this.#dueAt(isUsing ? endOf(use) : endOf(use) + deliverOnMs);
    this.#addRoute(id, 'members');
    if (!isUsing) return;
    const claims = this.#claims.get(place.subset) ?? [];
    this.#claims.set(place.subset, claims);
    claims.push({ interfaceId: id, sequence: use.usedSequence });
  }

  #addRoute(id: bigint, via: BlockRoute['via']): void {
    const place = this.#facts.placeOf(id);
    const { offset } = parseMemberInterfaceId(id);
    const addresses = place && addressesIn(place.pair, offset);
    if (addresses && place.via !== via) this.#routes.push({ addresses, via });
  }

  #dueAt(atMs: number): void {
    this.#dueMs = Math.min(this.#dueMs, atMs);
  }
}
