import type { CandidatesMessage } from '../../api/measuring-messages.ts';
import { measurementsOf, placeOf } from '../../api/placement-evidence.ts';
import { releasePlace } from '../../api/placing-endpoints.ts';
import type {
  AskPlaceMessage,
  FindPlaceMessage,
  PlacedMessage,
} from '../../api/placing-messages.ts';
import { decideTurn, type TurnDecision } from '../../core/invite-turn.ts';
import { decidePlacement, type PlacementDecision } from '../../core/placement/decide.ts';
import { describeError } from '../../model/error.ts';
import type { MasterName, SubsetName } from '../../model/names.ts';
import { addressOfRemote } from '../../model/prefix.ts';
import type { IdentityKey } from '../../model/records/parts.ts';
import type { PlacementRecord } from '../../model/records/roll.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline } from '../../runtime/deadline.ts';
import { KeyedQueue } from '../../runtime/keyed-queue.ts';
import type { Log } from '../../runtime/log.ts';
import type { InviteClaims } from '../../trust/invite-token.ts';
import { createPlacementClaim } from '../../trust/placement-claim.ts';
import { controlContacts } from '../control-contacts.ts';
import type { Directory } from '../directory/directory.ts';
import type { MasterLinks } from '../master-links.ts';
import { candidateOf } from '../measuring/measurements.ts';
import type { PlaceLookup } from '../place/place-lookup.ts';
import { checkToken } from '../presented-invite.ts';
import { SessionRefusal } from '../session/membership-gate.ts';
import type { ActingSubset } from '../subset/acting-subset.ts';
import type { ReleaseResult } from '../subset/placements.ts';
import type { SubsetKeeper } from '../subset/subset-keeper.ts';
import type { AsPaths } from './as-paths.ts';
import { membersOf } from './capacity.ts';
import { newcomerWorld } from './newcomer-world.ts';

export interface PlacingDependencies {
  readonly master: MasterName;
  readonly directory: Directory;
  readonly subsets: SubsetKeeper;
  readonly links: MasterLinks;
  readonly places?: PlaceLookup | undefined;
  readonly asPaths?: AsPaths | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A node as its connection shows it. */
export interface Newcomer {
  readonly identityKey: IdentityKey;
  /** Of its end of the connection. */
  readonly remote: string;
}

/** For the newcomer to turn to its subset; masters' clocks may be five minutes apart. */
const claimLifetimeMs = 10 * 60_000;
/** A newcomer waits for it. */
const releaseTimeoutMs = 3_000;

type Placed = Extract<PlacementDecision, { kind: 'placed' }>;
type Ranked = Placed['chosen'];

/** Places newcomers by invites whose home subset this master acts for. Each use is counted before anybody hears of it. */
export class Placing {
  readonly #dependencies: PlacingDependencies;
  /** One node gets one place at a time, however many connections it has. */
  readonly #asking = new KeyedQueue<IdentityKey>();

  constructor(dependencies: PlacingDependencies) {
    this.#dependencies = dependencies;
  }

  /** Whom to measure. @throws SessionRefusal `bad-token`, `wrong-master`, `token-used` */
  async candidates({ token }: FindPlaceMessage): Promise<CandidatesMessage> {
    const { directory } = this.#dependencies;
    const { home, claims } = await this.#check(token);
    const invite = home.state.roll.findInvite(claims.inviteId)?.invite;
    if (!invite?.candidates) {
      throw new SessionRefusal(
        'the invite was revoked, or ended some time ago: ask for a new one',
        {
          code: 'token-used',
        },
      );
    }
    const acting = new Set(invite.candidates.map((subset) => directory.recordedActing(subset)));
    const masters = directory
      .masterRecords()
      .filter(({ name }) => acting.has(name))
      .map(candidateOf);
    return { type: 'candidates', masters };
  }

  /**
   * Gives a place, and a claim to it. The same node asks again as often as it likes: it has its place
   * until it declines it, and one use of the invite for all of its places.
   * @throws SessionRefusal; MasterError `unreadable-policy`
   */
  async place(message: AskPlaceMessage, newcomer: Newcomer): Promise<PlacedMessage> {
    const { home, claims } = await this.#check(message.token);
    if (home.state.roll.isBanned(newcomer.identityKey)) {
      const message = `this node is banned from ${claims.subset}, which gives it no place anywhere`;
      throw new SessionRefusal(message, { code: 'banned' });
    }
    const { asPaths, directory } = this.#dependencies;
    const { placementPolicy } = directory;
    if (placementPolicy) await asPaths?.prepare(placementPolicy);
    const request = { ...message, name: claims.memberName ?? message.name };
    return this.#asking.run(newcomer.identityKey, () =>
      this.#place(request, newcomer, { home, claims }),
    );
  }

  async #place(
    request: AskPlaceMessage,
    newcomer: Newcomer,
    invited: Invited,
  ): Promise<PlacedMessage> {
    const declined = new Set(request.declined);
    const turn = this.#turn(newcomer, declined, invited);
    if (turn.kind === 'same') return this.#promise(turn.placement, invited);
    const decision = this.#decide(request, newcomer, invited);
    const { subset } = decision.chosen;
    const named = { version: 1, identityKey: newcomer.identityKey, member: request.name } as const;
    if (turn.kind === 'first') {
      const placement: PlacementRecord = { ...named, subset, use: turn.use, turn: 1 };
      return this.#give(placement, decision, invited);
    }
    const { before } = turn;
    const outcome = await this.#release(before, invited);
    if (outcome === 'taken') return this.#promise(before, invited);
    const next = { ...named, subset, turn: before.turn + 1 };
    if (outcome === 'released') return this.#give({ ...next, use: before.use }, decision, invited);
    // Others may have taken uses meanwhile.
    const again = this.#turn(newcomer, declined, invited);
    const use = again.kind === 'next' ? again.oneMore : undefined;
    if (use === undefined) throw mayBeThere(before.subset);
    return this.#give({ ...next, use }, decision, invited);
  }

  #turn(
    { identityKey }: Newcomer,
    declined: ReadonlySet<SubsetName>,
    { home, claims }: Invited,
  ): Exclude<TurnDecision, { kind: 'refuse' }> {
    const nowMs = this.#dependencies.clock.nowMs();
    const invite = home.state.roll.findInvite(claims.inviteId);
    const turn = decideTurn({ nowMs, invite, identityKey, declined });
    if (turn.kind !== 'refuse') return turn;
    throw new SessionRefusal(turn.message, { code: turn.code });
  }

  /** @throws SessionRefusal `no-place`, which says why of each candidate; MasterError `unreadable-policy` */
  #decide(
    { name, masters, declined }: AskPlaceMessage,
    { remote }: Newcomer,
    { home, claims }: Invited,
  ): Placed {
    const { master, directory, subsets, places, asPaths, clock } = this.#dependencies;
    const invite = home.state.roll.findInvite(claims.inviteId)?.invite;
    const left = (invite?.candidates ?? []).filter((subset) => !declined.includes(subset));
    if (left.length === 0) {
      throw new SessionRefusal(`no other subset of the invite is left for ${name}`, {
        code: 'no-place',
      });
    }
    const members = membersOf(subsets, clock.nowMs());
    const world = newcomerWorld(left, directory, { master, members });
    const address = addressOfRemote(remote);
    const place = placeOf(address && places?.placeOf(address));
    const policy = directory.requirePlacementPolicy();
    const named = { name, namesItself: claims.memberName === undefined };
    const located = { ...named, system: address && places?.systemOf(address) };
    const lengths = asPaths?.lengths(policy);
    const measurements = measurementsOf(masters, lengths && ((to) => lengths(located, to)));
    const decision = decidePlacement({ member: { ...named, place, measurements }, world }, policy);
    if (decision.kind === 'placed') return decision;
    throw new SessionRefusal(decision.message, { code: 'no-place' });
  }

  async #give(
    placement: PlacementRecord,
    { chosen, secondBest }: Placed,
    invited: Invited,
  ): Promise<PlacedMessage> {
    await invited.home.placements.record(invited.claims.inviteId, placement);
    const promised = await this.#promise(placement, invited);
    return {
      ...{ ...promised, score: chosen.score },
      ...(secondBest ? { next: scoredOf(secondBest) } : {}),
    };
  }

  /** Only for what is durable. */
  async #promise(
    { subset, use, turn, identityKey }: PlacementRecord,
    { home, claims }: Invited,
  ): Promise<PlacedMessage> {
    const { directory, clock } = this.#dependencies;
    const control = controlContacts(subset, directory);
    const claim = await createPlacementClaim(
      {
        ...{ home: claims.subset, subset, inviteId: claims.inviteId, use, turn, identityKey },
        expiresAtMs: clock.nowMs() + claimLifetimeMs,
      },
      home.authorities.issuer,
    );
    return { type: 'placed', subset, master: control[0].master, control: [...control], claim };
  }

  /** Asks the subset for a place back, wherever it is acted for. `unknown` when nobody answers. */
  async #release(
    { subset, ...given }: PlacementRecord,
    { claims: { inviteId: id } }: Invited,
  ): Promise<ReleaseResult | 'unknown'> {
    const { subsets, directory, links, log } = this.#dependencies;
    try {
      const here = subsets.find(subset);
      if (here) return await here.placements.release({ ...given, inviteId: id });
      const master = directory.recordedActing(subset);
      // The subset is gone, and whoever joined it with it.
      if (!master) return 'released';
      using deadline = new Deadline(releaseTimeoutMs);
      const { use, turn, identityKey, member } = given;
      const input = { params: { subset, id }, body: { use, turn, identityKey, member } };
      const options = { master, signal: deadline.signal };
      return (await links.call(releasePlace, input, options)).result;
    } catch (error) {
      log.warn(
        { subset, invite: id, reason: describeError(error) },
        'a place could not be taken back',
      );
      return 'unknown';
    }
  }

  /** @throws SessionRefusal `bad-token`, `wrong-master` */
  async #check(token: string): Promise<Invited> {
    const { subset: home, claims } = await checkToken(token, this.#dependencies);
    if (claims.isPlaced) return { home, claims };
    throw new SessionRefusal(`the invite is for ${claims.subset}: join there`, {
      code: 'bad-token',
    });
  }
}

interface Invited {
  readonly home: ActingSubset;
  readonly claims: InviteClaims;
}

const scoredOf = ({ subset, master, score }: Ranked): PlacedMessage['next'] => ({
  ...{ subset, master, score },
});

function mayBeThere(subset: SubsetName): SessionRefusal {
  return new SessionRefusal(
    `${subset} does not answer, and this node may have joined it by its only use of the invite`,
    { code: 'unavailable', retryable: true },
  );
}
