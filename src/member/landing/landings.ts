import type { SubsetName, VpnName } from '../../model/names.ts';
import { type InviteClaims, readInviteToken } from '../../trust/invite-token.ts';
import { createWireguardKeyPair } from '../../trust/wireguard-keys.ts';
import type { FirstContactDependencies } from '../first-contact.ts';
import type { HostKeeper } from '../host-keeper.ts';
import { JoinProgress } from '../join-progress.ts';
import type { JoinAttempt, JoinRequest, JoinTask } from '../join-task.ts';
import type { MemberDirectory, MemberIdentity } from '../member-directory.ts';
import type { MemberEntry } from '../member-entry.ts';
import type { MembershipFiles, MembershipState, PendingJoin } from '../membership-files.ts';
import { alreadyMember } from '../membership-problems.ts';
import { withConnectTimeout } from '../tls-connection.ts';
import { HomeMasters } from './home-masters.ts';
import { Landing, type LandingDependencies } from './landing.ts';
import type { GivenPlace, PendingLanding } from './landing-file.ts';

export interface LandingsOptions {
  readonly directory: MemberDirectory;
  readonly identity: MemberIdentity;
  readonly entries: ReadonlyMap<string, MemberEntry>;
  /** Ends when the daemon stops. */
  readonly signal: AbortSignal;
}

/** What is needed of whoever has the memberships. */
export interface LandingsDependencies extends LandingDependencies, FirstContactDependencies {
  readonly hostKeeper: HostKeeper;
  /** Makes the task an entry of that name while it is under way. */
  readonly begin: (
    membership: string,
    request: JoinRequest,
    task: JoinTask,
  ) => Promise<MembershipState>;
  /** Joins with what was prepared; the membership runs then. @throws as `obtainAdmission` */
  readonly complete: (files: MembershipFiles, attempt: JoinAttempt) => Promise<MembershipState>;
  /** Another membership in the invite's VPN. @throws MemberError `other-vpn` */
  readonly earlierMembership: (invite: InviteClaims) => MembershipState | undefined;
}

/** For how long a place is tried, and for how long its last answer is awaited. */
const patienceMs = 10_000;
const placeLimitMs = 20_000;

/** Joins whose subset is not known yet, at most one for each VPN. While it lasts, its entry has the VPN's name. */
export class Landings {
  readonly #options: LandingsOptions;
  readonly #dependencies: LandingsDependencies;

  constructor(options: LandingsOptions, dependencies: LandingsDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** Begins one, or goes on with one that was cut short by the end of a daemon. @throws as `Landing.run` */
  begin(request: JoinRequest): Promise<MembershipState> {
    return this.#land(request, () => this.#prepare(request));
  }

  /** Goes on with all that are on the disk. @param onFailed told of each that fails */
  async resume(onFailed: (vpn: VpnName, error: unknown) => void): Promise<void> {
    await this.#options.directory.removeLandingDrafts();
    for (const landing of await this.#options.directory.landings()) {
      const { token, name, startedAtMs } = landing;
      // As for joins: whether it has expired since is for the masters to say.
      const invite = readInviteToken(token, { nowMs: startedAtMs });
      if (this.#hasJoined(invite.vpn, landing)) {
        await this.#options.directory.landing(invite.vpn).remove();
        continue;
      }
      const request = { token, name, invite, before: undefined, progress: new JoinProgress() };
      this.#land(request, async () => landing).catch((error: unknown) =>
        onFailed(invite.vpn, error),
      );
    }
  }

  /** Whether the end came just before the landing was forgotten. */
  #hasJoined(vpn: VpnName, { place, keys }: PendingLanding): boolean {
    const entry = place && this.#options.entries.get(`${vpn}.${place.subset}`);
    if (entry?.kind !== 'running') return false;
    return entry.loop.membership.state.keys.acting.publicKey === keys.acting.publicKey;
  }

  #land(request: JoinRequest, prepare: () => Promise<PendingLanding>): Promise<MembershipState> {
    const { directory, identity } = this.#options;
    const { begin, earlierMembership } = this.#dependencies;
    const { invite, token, progress } = request;
    const file = directory.landing(invite.vpn);
    const start = async (signal: AbortSignal): Promise<MembershipState> => {
      const earlier = earlierMembership(invite);
      const landing = await prepare();
      const asking = { invite, token, identity, ...(earlier ? { earlier } : {}) };
      const options = {
        ...{ file, landing, invite, onProgress: progress.tell },
        home: new HomeMasters(asking, this.#dependencies),
        occupied: () => this.#subsetsOf(invite.vpn),
        join: this.#joinPlace.bind(this, request),
      };
      return await new Landing(options, this.#dependencies).run(signal);
    };
    return begin(invite.vpn, request, { start, drop: () => file.remove() });
  }

  /** The same token goes on with the same keys, which is what makes its answers the same. */
  async #prepare({ invite, token, name }: JoinRequest): Promise<PendingLanding> {
    const file = this.#options.directory.landing(invite.vpn);
    const stored = await file.read();
    if (stored?.token === token) return stored;
    const keys = { acting: createWireguardKeyPair() };
    const startedAtMs = this.#dependencies.clock.nowMs();
    const landing: PendingLanding = { version: 1, startedAtMs, token, name, keys, declined: [] };
    await file.write(landing);
    return landing;
  }

  async #joinPlace(
    request: JoinRequest,
    landing: PendingLanding,
    { subset, claim, control: [first, ...others] }: GivenPlace,
    signal: AbortSignal,
  ): Promise<MembershipState> {
    const { directory, entries } = this.#options;
    const { clock, hostKeeper, begin, complete } = this.#dependencies;
    const files = directory.membership(request.invite.vpn, subset);
    const before = entries.get(files.name);
    if ((before && before.kind !== 'ended') || !first) throw alreadyMember(files.name);
    const invite: InviteClaims = { ...request.invite, subset, control: [first, ...others] };
    const pending = pendingOf(landing);
    const drop = async (): Promise<void> => {
      await files.dropPending();
      await hostKeeper.remove(files.name);
    };
    const start = async (own: AbortSignal): Promise<MembershipState> => {
      await files.makeRoom();
      const either = AbortSignal.any([signal, own]);
      const limit = { endpoint: first.endpoint, clock, signal: either, limitMs: placeLimitMs };
      return await withConnectTimeout(limit, (inTime) =>
        complete(files, { invite, pending, signal: inTime, claim, patienceMs }),
      );
    };
    try {
      return await begin(files.name, { ...request, invite, before }, { start, drop });
    } catch (error) {
      // A daemon that stops goes on with it the next time.
      if (!this.#options.signal.aborted) await drop();
      throw error;
    }
  }

  /** Where this node is in the VPN, or is joining by another invite. */
  #subsetsOf(vpn: VpnName): readonly SubsetName[] {
    return [...this.#options.entries.values()].flatMap((entry) => {
      const place = placeOf(entry);
      return place?.vpn === vpn ? [place.subset] : [];
    });
  }
}

/** Undefined when it is over, and of a landing, which has none before it is over. */
function placeOf(
  entry: MemberEntry,
): { readonly vpn: VpnName; readonly subset: SubsetName } | undefined {
  if (entry.kind === 'ended') return undefined;
  if (entry.kind === 'joining') return entry.invite.isPlaced ? undefined : entry.invite;
  const { vpn, subset } = entry.loop.membership.state.place;
  return { vpn: vpn.name, subset };
}

function pendingOf({ startedAtMs, token, name, keys }: PendingLanding): PendingJoin {
  return { version: 1, startedAtMs, token, name, keys };
}
