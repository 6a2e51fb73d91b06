import type { EndReason } from '../api/messages.ts';
import { failoverSpreadMs } from '../core/failover-spread.ts';
import type { Host } from '../host/host.ts';
import type { Relay } from '../host/relay/relay.ts';
import type { MasterName, MemberName, SubsetName } from '../model/names.ts';
import type { AuditRecord } from '../model/records/audit.ts';
import type { MemberRecord } from '../model/records/roll.ts';
import type { Epoch } from '../model/wireguard-key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { RollStores } from '../store/roll-stores.ts';
import type { Store } from '../store/store.ts';
import type { SealingKey } from '../trust/sealing.ts';
import { AcknowledgementRelay } from './acknowledgement-relay.ts';
import { ActingRequests } from './acting-requests.ts';
import { createAlsoInAnnouncer } from './also-in-announcer.ts';
import { CarrierListener } from './carrier/carrier-listener.ts';
import type { Directory } from './directory/directory.ts';
import { DirectoryFollower } from './directory/directory-follower.ts';
import { GatewayKeeper } from './gateway/gateway-keeper.ts';
import { MemberTraffic } from './gateway/member-traffic.ts';
import type { CallerContext } from './http/caller.ts';
import { OperatorAccess } from './http/operator-access.ts';
import { DistantPairs } from './introductions/distant-pairs.ts';
import { Introductions } from './introductions/introductions.ts';
import { Meetings } from './introductions/meetings.ts';
import { OtherMasters } from './introductions/other-masters.ts';
import { RelayedPairs } from './introductions/relayed-pairs.ts';
import { Seeking } from './introductions/seeking.ts';
import { Whereabouts } from './introductions/whereabouts.ts';
import { DepartedNews } from './keying/departed-news.ts';
import { SharedKeys } from './keying/shared-keys.ts';
import type { MasterIdentity } from './master-identity.ts';
import { MasterLinks } from './master-links.ts';
import { Measurements } from './measuring/measurements.ts';
import { Transfers } from './measuring/transfers.ts';
import { MemberCertificates } from './member-certificates.ts';
import { Membership } from './membership.ts';
import { MoveOrders } from './move-orders.ts';
import { LiveEvents } from './observability/live-events.ts';
import type { MasterMetrics } from './observability/master-metrics.ts';
import type { PlaceLookup } from './place/place-lookup.ts';
import type { AsPaths } from './placing/as-paths.ts';
import { fullWith } from './placing/capacity.ts';
import { Placing } from './placing/placing.ts';
import type { MemberSession } from './session/member-session.ts';
import type { SessionObserver } from './session/membership-gate.ts';
import { SessionHub } from './session/session-hub.ts';
import { SessionListener } from './session/session-listener.ts';
import type { RollFollowerEvents } from './subset/roll-follower.ts';
import type { ServedSubset } from './subset/served-subset.ts';
import { SubsetKeeper } from './subset/subset-keeper.ts';
import type { SubsetEvents } from './subset/subset-state.ts';
import { SubsetViews } from './subset/subset-views.ts';
import type { Underlay } from './underlay.ts';

export interface MasterOptions {
  readonly name: MasterName;
  readonly identity: MasterIdentity;
  readonly sealingKey: SealingKey;
}

export interface MasterDependencies {
  /** The directory's. */
  readonly store: Store;
  /** Where the rolls of its subsets are, which may be elsewhere. */
  readonly rollStores: RollStores;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: MasterMetrics;
  readonly underlay: Underlay;
  /** Absent where nobody has to know where an address is. */
  readonly places?: PlaceLookup;
  readonly asPaths?: AsPaths | undefined;
  /** Absent where this master relays nothing. */
  readonly createRelay?: (() => Promise<Relay>) | undefined;
  /** Ends when the master stops. */
  readonly signal: AbortSignal;
}

/** How long each master leaves the rotation of the backbone key to those before it. */
const backboneTurnMs = 20_000;

/** One master's parts, wired: what the directory, the subsets, the sessions and the gateway tell each other. */
export class Master implements SubsetEvents, RollFollowerEvents, SessionObserver {
  readonly name: MasterName;
  readonly directory: Directory;
  readonly follower: DirectoryFollower;
  readonly subsets: SubsetKeeper;
  readonly hub: SessionHub;
  readonly gateway: GatewayKeeper;
  readonly sessions: SessionListener;
  readonly carriers: CarrierListener;
  readonly introductions: Introductions;
  readonly relays: RelayedPairs;
  readonly seeking: Seeking;
  readonly distantPairs: DistantPairs;
  readonly whereabouts: Whereabouts;
  readonly sharedKeys: SharedKeys;
  readonly measurements: Measurements;
  readonly traffic: MemberTraffic;
  readonly access: OperatorAccess;
  readonly transfers: Transfers;
  readonly views: SubsetViews;
  readonly certificates: MemberCertificates;
  readonly links: MasterLinks;
  readonly events = new LiveEvents();
  readonly #options: MasterOptions;
  readonly #dependencies: MasterDependencies;
  readonly #relay: AcknowledgementRelay;
  readonly #moveOrders: MoveOrders;
  readonly #departedNews = new DepartedNews();

  private constructor(
    follower: DirectoryFollower,
    options: MasterOptions,
    dependencies: MasterDependencies,
  ) {
    this.name = options.name;
    this.#options = options;
    this.#dependencies = dependencies;
    this.follower = follower;
    this.directory = follower.directory;
    this.views = new SubsetViews(this.directory);
    const parts = { ...dependencies, directory: this.directory };
    this.links = new MasterLinks({ identity: options.identity, directory: this.directory });
    this.certificates = new MemberCertificates(parts);
    this.hub = new SessionHub({
      ...dependencies,
      onAcknowledged: (...acknowledgement) => this.#acknowledged(...acknowledgement),
      spreadMs: (subset) => this.#spreadMs(subset),
    });
    this.subsets = this.#createSubsets();
    this.#relay = this.#createRelay();
    this.#moveOrders = new MoveOrders(this);
    this.gateway = new GatewayKeeper(
      { master: options.name, keys: options.identity.wireguard },
      { ...dependencies, directory: this.directory, subsets: this.subsets },
    );
    this.sharedKeys = new SharedKeys(
      { master: options.name, sealingKey: options.sealingKey },
      { ...parts, subsets: this.subsets },
    );
    const onIntroduced = (): void => dependencies.metrics.introduced();
    const { hub, subsets, gateway, links } = this;
    this.relays = new RelayedPairs(parts);
    this.whereabouts = new Whereabouts({ ...parts, subsets });
    const { relays, whereabouts } = this;
    const others = new OtherMasters(options.name, { ...parts, links });
    const meetings = new Meetings({ ...parts, hub, gateway });
    const introducing = { ...parts, hub, subsets, whereabouts, others, meetings, onIntroduced };
    const distant = new DistantPairs(introducing);
    this.distantPairs = distant;
    this.introductions = new Introductions({ ...introducing, gateway, relays, distant });
    this.seeking = new Seeking(options.name, introducing);
    const callerContext = (): CallerContext => this.#callerContext();
    this.access = new OperatorAccess({
      observer: this,
      callerContext,
      directory: this.directory,
    });
    const measuring = { ...parts, master: options.name, metrics: dependencies.metrics.measuring };
    this.transfers = new Transfers({ ...measuring, access: this.access });
    const gate = this.#createGate();
    const { seeking } = this;
    const listening = { ...dependencies, gate, observer: this, seeking, callerContext };
    const measurements = new Measurements(measuring);
    this.measurements = measurements;
    this.traffic = new MemberTraffic({ ...parts, acting: () => this.#actingRolls() });
    const moveOrders = this.#moveOrders;
    const placing = new Placing({ ...parts, master: options.name, subsets, links });
    this.sessions = new SessionListener({
      ...listening,
      hub: this.hub,
      measurements,
      moveOrders,
      placing,
    });
    this.carriers = new CarrierListener({
      ...listening,
      wireguardPort: () => this.gateway.membersPort,
    });
  }

  /** @throws MasterError `no-authority`, StoreError when the directory cannot be read */
  static async open(options: MasterOptions, dependencies: MasterDependencies): Promise<Master> {
    let master: Master | undefined;
    const follower = await DirectoryFollower.open({
      ...dependencies,
      sealingKey: options.sealingKey,
      onChanged: (changes) => master?.directoryChanged(changes),
    });
    master = new Master(follower, options, dependencies);
    return master;
  }

  #createSubsets(): SubsetKeeper {
    const { metrics, store: directoryStore } = this.#dependencies;
    return new SubsetKeeper(
      { master: this.#options.name },
      {
        ...this.#dependencies,
        directoryStore,
        sealingKey: this.#options.sealingKey,
        directory: this.directory,
        links: this.links,
        events: this,
        followed: this,
        isConnected: ({ subset, name }) => this.hub.find(subset, name) !== undefined,
        isAlive: (master) => this.#isAlive(master),
        onActingChanged: (subset) => this.#actingChanged(subset),
        onServedNoMore: (subset) => this.#servedNoMore(subset),
        onTakeover: (subset, change) => metrics.actingChanged(subset, change),
        onRenewalFailed: (subset) => metrics.leaseRenewalFailed(subset),
        onRollEvents: (subset, count) => metrics.storeEvents(`roll/${subset}`, count),
      },
    );
  }

  #createGate(): Membership {
    const { subsets, directory, views, certificates, links } = this;
    const dependencies = { ...this.#dependencies, subsets, directory, views, certificates, links };
    const { metrics } = this.#dependencies;
    return new Membership({
      ...dependencies,
      requests: new ActingRequests({
        ...dependencies,
        onPassedOn: (kind, outcome) => metrics.passedOn(kind, outcome),
      }),
      gatewayReady: () => this.gateway.refresh(),
      announceAlsoIn: createAlsoInAnnouncer(dependencies),
      fullWith: () => fullWith(this.name, dependencies),
    });
  }

  #createRelay(): AcknowledgementRelay {
    const { metrics } = this.#dependencies;
    return new AcknowledgementRelay({
      ...this.#dependencies,
      subsets: this.subsets,
      links: this.links,
      acknowledged: (subset, member, epoch) => this.hub.acknowledged(subset, member, epoch),
      onPassedOn: (kind, outcome) => metrics.passedOn(kind, outcome),
    });
  }

  /** What the API's handlers need. */
  get parts() {
    const { name: master, access, directory, subsets, hub, gateway } = this;
    const { events, certificates, links, seeking, distantPairs, transfers, traffic } = this;
    const { places } = this.#dependencies;
    return {
      ...{ master, access, directory, subsets, hub, gateway, events, certificates },
      ...{ links, seeking, distantPairs, transfers, traffic },
      ...(places ? { places } : {}),
    };
  }

  /** Any master may; the ones with higher indexes give the others time to be first. */
  async rotateBackboneKeyIfOld(): Promise<void> {
    const { vpn, masters, backboneKey } = this.directory;
    const index = masters.get(this.#options.name)?.record.index ?? 1;
    if (!backboneKey) return;
    const dueAtMs = backboneKey.createdAtMs + vpn.lifetimes.keyRotationMs + index * backboneTurnMs;
    if (this.#dependencies.clock.nowMs() >= dueAtMs) await this.follower.rotateBackboneKey();
  }

  directoryChanged(changes: number): void {
    this.#dependencies.metrics.storeEvents('directory', changes);
    this.access.cutRevoked();
    this.measurements.directoryChanged(() => this.hub.sessions());
    this.whereabouts.forget();
    this.subsets.reconcile();
    this.#withdrawDeparted();
    for (const served of this.subsets.serving()) this.#refreshView(served);
    void this.gateway.refresh();
    void this.sharedKeys.reconcile();
  }

  #actingRolls() {
    return this.subsets
      .acting()
      .map(({ state: { subset, roll } }) => ({ subset, members: roll.activeMembers() }));
  }

  /** Before the members of other subsets hear of the key that was made without them. */
  #withdrawDeparted(): void {
    const news = this.#departedNews.take(this.directory.sharedKey?.departed ?? []);
    if (news.length === 0) return;
    this.hub.withdraw(news);
    for (const key of news) this.relays.end(key);
  }

  #actingChanged(subset: SubsetName): Promise<unknown> {
    const served = this.subsets.findServed(subset);
    if (served) this.#refreshView(served);
    void this.sharedKeys.reconcile();
    return this.gateway.refresh();
  }

  #servedNoMore(subset: SubsetName): void {
    this.views.forget(subset);
    this.#relay.forget(subset);
    this.hub.closeSubset(subset);
    void this.gateway.refresh();
  }

  /** Of a path that nobody has tried yet nothing bad is known. */
  #isAlive(master: MasterName): boolean {
    const path = this.gateway.pathStatuses().get(master);
    return !path?.isProven || path.isAlive;
  }

  #acknowledged(subset: SubsetName, member: MemberName, epoch: Epoch): void {
    if (this.subsets.find(subset)) this.hub.acknowledged(subset, member, epoch);
    else this.#relay.add(subset, member, epoch);
  }

  rollChanged(_subset: SubsetName): void {
    void this.gateway.refresh();
  }

  keyChanged(served: ServedSubset): void {
    this.#refreshView(served);
    void this.gateway.refresh();
    void this.sharedKeys.reconcile();
  }

  moveOrdered(member: MemberRecord): void {
    this.#moveOrders.ordered(member);
  }

  /** Heard from the store, about a subset that another master acts for. */
  departed(member: MemberRecord): void {
    this.ended(member, endReasonOf(member));
  }

  /** What members have applied by now was told to whoever acted before. */
  leaseTaken(subset: SubsetName): void {
    for (const { member, appliedEpoch } of this.hub.sessionsOf(subset)) {
      if (appliedEpoch > 0) this.#relay.add(subset, member.name, appliedEpoch);
    }
  }

  ended(member: MemberRecord, reason: EndReason): void {
    this.hub.end(member, reason);
    this.carriers.end(member);
    this.relays.end(member.keys.acting);
  }

  audited(entry: AuditRecord): void {
    const { action, actor, subject, subset, epoch } = entry;
    this.#dependencies.log.info({ action, actor, subject, subset, epoch }, 'membership changed');
    this.events.publish({ type: 'membership', entry });
  }

  received(sender: string, kind: string): void {
    this.#dependencies.metrics.received(sender, kind);
  }

  refused(code: string, message: string): void {
    this.#dependencies.metrics.refused(code);
    this.events.publish({ type: 'refusal', atMs: this.#dependencies.clock.nowMs(), code, message });
  }

  connected(session: MemberSession): void {
    this.introductions.lookAtAll();
    this.#publishSession(session, 'connected');
  }

  /** Those that have a direct path to the member check it by its certificate until that ends. */
  renewed(session: MemberSession): void {
    this.introductions.reintroduce(session);
  }

  disconnected(session: MemberSession, reason: string): void {
    this.#publishSession(session, 'disconnected', reason);
  }

  #publishSession(
    { member }: MemberSession,
    change: 'connected' | 'disconnected',
    reason?: string,
  ): void {
    const { subset, name } = member;
    this.#dependencies.log.debug({ subset, member: name, change, reason }, 'a session changed');
    const atMs = this.#dependencies.clock.nowMs();
    this.events.publish({
      type: 'session',
      atMs,
      subset,
      member: name,
      change,
      ...(reason ? { reason } : {}),
    });
  }

  #refreshView(served: ServedSubset): void {
    const step = this.views.update(served);
    if (!step) return;
    const { subset } = served;
    if (step.onlyKey) this.hub.broadcastKey(subset, step.previousRevision, step.view);
    else this.hub.broadcastView(subset, step.view);
  }

  #spreadMs(subset: SubsetName): number | undefined {
    const served = this.subsets.findServed(subset);
    return served && failoverSpreadMs(served.roll.activeCount);
  }

  #callerContext(): CallerContext {
    const { name, rootCertificate } = this.directory.vpn;
    return { vpn: name, rootCertificate, nowMs: this.#dependencies.clock.nowMs() };
  }
}

/** A record that is gone by the time this master reads it was one of somebody who was put out. */
function endReasonOf({ state }: MemberRecord): EndReason {
  return state === 'active' || state === 'suspended' ? 'evicted' : state;
}
