import type { MeasuredView } from '../../../api/measured-view.ts';
import type { MemberSelection, MemberView } from '../../../api/member-endpoints.ts';
import { blockOrdinalOf } from '../../../core/addressing.ts';
import { preferenceOrder, type ServingMasters } from '../../../core/master-preference.ts';
import { medianOf } from '../../../core/measuring/round-trips.ts';
import type { PeerObservation } from '../../../host/host.ts';
import type { MemberName, SubsetName } from '../../../model/names.ts';
import { addressOfRemote } from '../../../model/prefix.ts';
import type { MemberRecord, MoveOrder } from '../../../model/records/roll.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { Directory } from '../../directory/directory.ts';
import type { GatewayKeeper } from '../../gateway/gateway-keeper.ts';
import type { MemberTraffic } from '../../gateway/member-traffic.ts';
import type { PlaceLookup } from '../../place/place-lookup.ts';
import type { MemberSession } from '../../session/member-session.ts';
import type { SessionHub } from '../../session/session-hub.ts';
import type { Roll } from '../../subset/roll.ts';
import type { ServedSubset } from '../../subset/served-subset.ts';
import { noSuchMember } from '../../subset/subset-state.ts';

export interface MemberHandlersDependencies {
  readonly hub: SessionHub;
  readonly gateway: GatewayKeeper;
  readonly traffic: MemberTraffic;
  readonly directory: Directory;
  readonly places?: PlaceLookup;
  readonly clock: Clock;
}

export interface MemberPage {
  readonly members: MemberView[];
  readonly next?: MemberName;
  readonly total: number;
  readonly counted: number;
}

type Observations = ReadonlyMap<string, PeerObservation>;

/** Shows members: what the roll, the session and WireGuard say of each. */
export class MemberHandlers {
  readonly #dependencies: MemberHandlersDependencies;

  constructor(dependencies: MemberHandlersDependencies) {
    this.#dependencies = dependencies;
  }

  async list(
    served: ServedSubset,
    query: {
      readonly state: MemberSelection;
      readonly after?: MemberName | undefined;
      readonly limit: number;
    },
  ): Promise<MemberPage> {
    const { roll } = served;
    const members = selectMembers(roll, query.state).sort((a, b) => (a.name < b.name ? -1 : 1));
    const { after } = query;
    const start = after === undefined ? 0 : members.findIndex(({ name }) => name > after);
    const page = start < 0 ? [] : members.slice(start, start + query.limit);
    const last = page.at(-1);
    const more = last !== undefined && start + page.length < members.length;
    const observations = await this.#observe();
    return {
      members: page.map((member) => this.#view(member, observations)),
      ...(more ? { next: last.name } : {}),
      total: members.length,
      counted: roll.countedAt(this.#dependencies.clock.nowMs()),
    };
  }

  /** A former member is shown too, as long as its name rests. @throws MasterError `no-such-member` */
  async show({ subset, roll }: ServedSubset, name: MemberName): Promise<MemberView> {
    const member = roll.findByName(name);
    if (!member) throw noSuchMember(name, subset);
    const measured = this.#measuredView(member);
    return { ...this.#view(member, await this.#observe()), ...(measured ? { measured } : {}) };
  }

  #measuredView({ subset, name, state }: MemberRecord): MeasuredView | undefined {
    const { hub, clock } = this.#dependencies;
    const session = state === 'active' ? hub.find(subset, name) : undefined;
    if (!session) return undefined;
    const { report, trust, roundTripsMs } = session.measured;
    const medianMs = medianOf(roundTripsMs);
    return {
      ...(report
        ? { report: { ageMs: clock.monotonicMs() - report.atMs, masters: [...report.masters] } }
        : {}),
      ...(medianMs === undefined
        ? {}
        : { session: { leastMs: Math.min(...roundTripsMs), medianMs } }),
      verdict: trust.verdict,
      isAlert: trust.isAlert,
      ...this.#whereabouts(session),
    };
  }

  /** Of the address that the session comes from. */
  #whereabouts({ remote }: MemberSession): Pick<MeasuredView, 'place' | 'system'> {
    const address = addressOfRemote(remote);
    const { places } = this.#dependencies;
    if (!places || !address) return {};
    const [place, system] = [places.placeOf(address), places.systemOf(address)];
    return { place, ...(system === undefined ? {} : { system }) };
  }

  async #observe(): Promise<Observations> {
    const peers = await this.#dependencies.gateway.observe();
    this.#dependencies.traffic.note(peers);
    return new Map(peers.map((peer) => [peer.publicKey, peer]));
  }

  #view(member: MemberRecord, observations: Observations): MemberView {
    const serving = this.#serving(member.subset);
    const { home, acting, backups } = serving;
    const { version: _version, addressIndex: _index, inviteId: _invite, moving, ...shown } = member;
    const session = this.#sessionView(member);
    const tunnel = observations.get(member.keys.acting);
    const traffic = this.#dependencies.traffic.of(member);
    return {
      ...shown,
      ...(moving ? { moving: withoutToken(moving) } : {}),
      acting,
      backups: [home, ...backups].filter((name) => name !== acting),
      order: [...preferenceOrder(serving, blockOrdinalOf(member.ipv6))],
      ...(session ? { session } : {}),
      ...(tunnel ? { tunnel: this.#tunnelView(tunnel) } : {}),
      ...(traffic ? { traffic } : {}),
    };
  }

  #serving(subset: SubsetName): ServingMasters {
    const serving = this.#dependencies.directory.servingMasters(subset);
    if (serving) return serving;
    throw new Error(`the directory has no ${subset}, which is served`);
  }

  #sessionView({ subset, name, state }: MemberRecord): MemberView['session'] {
    const session = state === 'active' ? this.#dependencies.hub.find(subset, name) : undefined;
    if (!session) return undefined;
    const { sinceMs, remote, appliedRevision, direct } = session;
    const directTo = direct.paths
      .filter((path) => path.state === 'direct')
      .map((path) => path.name);
    return { sinceMs, remote, behindByChanges: appliedRevision < session.sentRevision, directTo };
  }

  #tunnelView({
    endpoint,
    latestHandshakeMs,
    receivedBytes,
    sentBytes,
  }: PeerObservation): MemberView['tunnel'] {
    return {
      ...(endpoint ? { endpoint } : {}),
      ...(latestHandshakeMs
        ? { handshakeAgeMs: Math.max(0, this.#dependencies.clock.nowMs() - latestHandshakeMs) }
        : {}),
      receivedBytes,
      sentBytes,
    };
  }
}

function withoutToken({ token: _, ...order }: MoveOrder): MemberView['moving'] {
  return order;
}

function selectMembers(roll: Roll, selection: MemberSelection): MemberRecord[] {
  if (selection === 'all') return [...roll.members()];
  const active = selection === 'suspended' ? [] : [...roll.activeMembers()];
  const suspended = selection === 'active' ? [] : [...roll.suspendedMembers()];
  return [...active, ...suspended];
}
