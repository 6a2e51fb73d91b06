import type { MemberSelection, MemberView } from '../../../api/endpoints.ts';
import type { PeerObservation } from '../../../host/host.ts';
import type { MemberName } from '../../../model/names.ts';
import type { MemberRecord } from '../../../model/records.ts';
import type { Clock } from '../../../runtime/clock.ts';
import type { GatewayKeeper } from '../../gateway/gateway-keeper.ts';
import type { SessionHub } from '../../session/session-hub.ts';
import type { ActingSubset } from '../../subset/acting-subset.ts';
import type { Roll } from '../../subset/roll.ts';

export interface MemberHandlersDependencies {
  readonly hub: SessionHub;
  readonly gateway: GatewayKeeper;
  readonly clock: Clock;
}

export interface MemberPage {
  readonly members: MemberView[];
  readonly next?: MemberName;
  readonly total: number;
}

type Observations = ReadonlyMap<string, PeerObservation>;

/** Shows members: what the roll, the session and WireGuard say of each. */
export class MemberHandlers {
  readonly #dependencies: MemberHandlersDependencies;

  constructor(dependencies: MemberHandlersDependencies) {
    this.#dependencies = dependencies;
  }

  async list(
    subset: ActingSubset,
    query: {
      readonly state: MemberSelection;
      readonly after?: MemberName | undefined;
      readonly limit: number;
    },
  ): Promise<MemberPage> {
    const { roll } = subset.state;
    const members = selectMembers(roll, query.state).sort((a, b) => (a.name < b.name ? -1 : 1));
    const { after } = query;
    const start = after === undefined ? 0 : members.findIndex(({ name }) => name > after);
    const page = start < 0 ? [] : members.slice(start, start + query.limit);
    const last = page.at(-1);
    const more = last !== undefined && start + page.length < members.length;
    const observations = await this.#observe();
    return {
      members: page.map((member) => this.#view(subset, member, observations)),
      ...(more ? { next: last.name } : {}),
      total: members.length,
    };
  }

  /** A former member is shown too, as long as its name rests. @throws MasterError `no-such-member` */
  async show(subset: ActingSubset, name: MemberName): Promise<MemberView> {
    const member = subset.state.roll.findByName(name) ?? subset.state.requireActive(name);
    return this.#view(subset, member, await this.#observe());
  }

  async #observe(): Promise<Observations> {
    return new Map(
      (await this.#dependencies.gateway.observe()).map((peer) => [peer.publicKey, peer]),
    );
  }

  #view(subset: ActingSubset, member: MemberRecord, observations: Observations): MemberView {
    const { acting, backups } = subset.state.record;
    const { version: _version, addressIndex: _index, inviteId: _invite, ...shown } = member;
    const session = this.#sessionView(subset, member);
    const tunnel = observations.get(member.keys.acting);
    return {
      ...shown,
      acting,
      backups,
      order: [acting, ...backups],
      ...(session ? { session } : {}),
      ...(tunnel ? { tunnel: this.#tunnelView(tunnel) } : {}),
    };
  }

  #sessionView(subset: ActingSubset, { name, state }: MemberRecord): MemberView['session'] {
    const session =
      state === 'active' ? this.#dependencies.hub.find(subset.state.subset, name) : undefined;
    if (!session) return undefined;
    const { sinceMs, remote, appliedRevision } = session;
    return { sinceMs, remote, behindByChanges: appliedRevision < session.sentRevision };
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

function selectMembers(roll: Roll, selection: MemberSelection): MemberRecord[] {
  if (selection === 'all') return [...roll.members()];
  const active = selection === 'suspended' ? [] : [...roll.activeMembers()];
  const suspended = selection === 'active' ? [] : [...roll.suspendedMembers()];
  return [...active, ...suspended];
}
