import { maxSealedPeers } from '../../api/direct-messages.ts';
import type { IntroductionRequest, MemberPresence } from '../../api/path-endpoints.ts';
import type { MasterName, MemberName, SubsetName } from '../../model/names.ts';
import type { Address } from '../../model/prefix.ts';
import type { MemberRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { bucketOf, type TokenBucket } from '../../runtime/token-bucket.ts';
import type { Directory } from '../directory/directory.ts';
import { MasterError } from '../master-error.ts';
import type { MemberSession } from '../session/member-session.ts';
import type { SessionHub } from '../session/session-hub.ts';
import type { ServedSubset } from '../subset/served-subset.ts';
import { identifyAsking, memberAt, placeOfAsking, requireOneKey } from './asking-member.ts';
import type { OtherMasters, Stranger } from './other-masters.ts';
import { presenceOf, present, tell } from './presentation.ts';
import type { MemberPlace, Whereabouts } from './whereabouts.ts';

export interface SeekingDependencies {
  readonly clock: Clock;
  readonly hub: SessionHub;
  readonly directory: Pick<Directory, 'keyingPhase' | 'isServing'>;
  readonly subsets: { findServed(subset: SubsetName): ServedSubset | undefined };
  readonly whereabouts: Whereabouts;
  readonly others: OtherMasters;
  /** Two members were introduced to each other. */
  readonly onIntroduced: () => void;
}

/** A member whose session is here. */
interface Present {
  readonly member: MemberRecord;
  readonly session: MemberSession;
}

/** Of one member, in addresses: at once as many as it may have tunnels, and few after that. */
const seekRate = { perSecond: 20, burst: maxSealedPeers };
/**
 * Of one other master, in introductions to one member of this one: in a minute, for which a session believes
 * them, fewer than the member may have tunnels.
 */
const askedRate = { perSecond: 2, burst: maxSealedPeers / 2 };
/** Who is told first needs so long to be there when the other one calls. */
const headStartMs = 50;

/**
 * Finds the member at an address for another member, which wants a sealed tunnel to it: among its own
 * sessions, or by asking the masters of the subset whose address it is. So a conversation costs the
 * two masters that it is between, and no other.
 */
export class Seeking {
  readonly #self: MasterName;
  readonly #dependencies: SeekingDependencies;
  readonly #seeking = new WeakMap<MemberSession, TokenBucket>();
  readonly #asked = new WeakMap<MemberSession, Map<MasterName, TokenBucket>>();

  constructor(self: MasterName, dependencies: SeekingDependencies) {
    this.#self = self;
    this.#dependencies = dependencies;
  }

  /**
   * Introduces the member to whoever is found at the addresses, as far as it does not ask for too many.
   * Never rejects: who is not found is sought again.
   */
  async seek(session: MemberSession, addresses: readonly Address[]): Promise<void> {
    const { directory, subsets } = this.#dependencies;
    if (directory.keyingPhase === 'per-subset') return;
    const { subset, name } = session.member;
    const member = subsets.findServed(subset)?.roll.findActive(name);
    if (!member) return;
    const seeker = { member, session };
    const due = this.#withinRate(session, addresses);
    await Promise.all(due.map((address) => this.#seekOne(seeker, address)));
  }

  /**
   * Introduces a member of another master to the one at the address, which has its session here.
   * @param from the master that asks
   * @returns the latter
   * @throws MasterError `no-such-member`, `not-connected`, `busy`; `refused` where subsets have keys of
   *   their own, the master that asks does not serve the subset of its member, or the certificate does
   *   not hold
   */
  async introduce(
    served: ServedSubset,
    { address, member: other }: IntroductionRequest,
    from: MasterName,
  ): Promise<MemberPresence> {
    const { directory, whereabouts, hub, others } = this.#dependencies;
    requireOneKey(directory);
    const member = memberAt(served, address, whereabouts);
    const session = hub.find(member.subset, member.name);
    const own = session && sealedPresence({ member, session });
    if (!own) throw notHere(member.name, this.#self);
    if (!this.#mayAsk(from, session)) throw tooMany(from, member.name);
    const otherPlace = placeOfAsking(other, from, this.#dependencies);
    this.#tell(session, await identifyAsking(other, otherPlace, others), false);
    return own;
  }

  /** A check of certificates, and a place at the member, for each. */
  #mayAsk(from: MasterName, session: MemberSession): boolean {
    const nowMs = this.#dependencies.clock.monotonicMs();
    const asked = this.#asked.get(session) ?? new Map<MasterName, TokenBucket>();
    this.#asked.set(session, asked);
    return bucketOf(asked, from, askedRate, nowMs).take(nowMs);
  }

  /** Each costs another master a call, and another member an introduction. */
  #withinRate(session: MemberSession, addresses: readonly Address[]): readonly Address[] {
    const nowMs = this.#dependencies.clock.monotonicMs();
    const bucket = bucketOf(this.#seeking, session, seekRate, nowMs);
    return addresses.filter(() => bucket.take(nowMs));
  }

  async #seekOne(seeker: Present, address: Address): Promise<void> {
    const { whereabouts, hub, subsets } = this.#dependencies;
    const place = whereabouts.placeAt(address);
    // Its own, in whichever form: the other end of sealed tunnels has an address too.
    if (!place || isAt(seeker.member, place)) return;
    const member = whereabouts.memberAt(place);
    const session = member && hub.find(member.subset, member.name);
    if (member && session) await this.#introduceHere(seeker, { member, session });
    else if (member || !subsets.findServed(place.subset.name)) {
      await this.#askOthers(seeker, place, address);
    }
  }

  async #introduceHere(seeker: Present, sought: Present): Promise<void> {
    const { clock, onIntroduced } = this.#dependencies;
    const how = { candidates: [], nowMs: clock.nowMs() };
    const [own, found] = [sealedPresence(seeker), sealedPresence(sought)];
    // Nobody is told of one that would never answer.
    if (!own || !found) return;
    present(seeker, sought.session, { ...how, isFirst: false, sealedPort: own.sealedPort });
    await clock.sleep(headStartMs);
    present(sought, seeker.session, { ...how, isFirst: true, sealedPort: found.sealedPort });
    onIntroduced();
  }

  async #askOthers(seeker: Present, { subset }: MemberPlace, address: Address): Promise<void> {
    const { clock, others, onIntroduced } = this.#dependencies;
    const own = sealedPresence(seeker);
    if (!own) return;
    const found = await others.introduce(subset, { address, member: own });
    if (!found) return;
    await clock.sleep(headStartMs);
    this.#tell(seeker.session, found, true);
    onIntroduced();
  }

  #tell(to: MemberSession, other: Stranger, isFirst: boolean): void {
    const { clock, others } = this.#dependencies;
    if (others.hasLeft(other.key)) return;
    const nowMs = clock.nowMs();
    tell(to, other, { candidates: [], isFirst, sealedPort: other.sealedPort, nowMs });
  }
}

function isAt({ subset, addressIndex }: MemberRecord, place: MemberPlace): boolean {
  return subset === place.subset.name && addressIndex === place.index;
}

/** Undefined of a member that seals nothing. */
function sealedPresence(of: Present): MemberPresence | undefined {
  const presence = presenceOf(of);
  return presence?.sealedPort === undefined ? undefined : presence;
}

function notHere(member: MemberName, master: MasterName): MasterError {
  return new MasterError(`${member} has no session with ${master} that could be told`, {
    code: 'not-connected',
    fields: { member },
    retryable: true,
  });
}

function tooMany(from: MasterName, member: MemberName): MasterError {
  const reason = `${from} asks for too many introductions to ${member}`;
  return new MasterError(reason, { code: 'busy', fields: { reason }, retryable: true });
}
