import type { EndReason } from '../api/messages.ts';
import type { Host } from '../host/host.ts';
import type { MasterName, MemberName, SubsetName } from '../model/names.ts';
import type { AuditRecord, MemberRecord } from '../model/records.ts';
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
import type { CallerContext } from './http/caller.ts';
import { OperatorAccess } from './http/operator-access.ts';
import { Introductions } from './introductions/introductions.ts';
import type { MasterIdentity } from './master-identity.ts';
import { MasterLinks } from './master-links.ts';
import { MemberCertificates } from './member-certificates.ts';
import { Membership } from './membership.ts';
import { LiveEvents } from './observability/live-events.ts';
import type { MasterMetrics } from './observability/master-metrics.ts';
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
  readonly access: OperatorAccess;
  readonly views: SubsetViews;
  readonly certificates: MemberCertificates;
  readonly links: MasterLinks;
  readonly events = new LiveEvents();
  readonly #options: MasterOptions;
  readonly #dependencies: MasterDependencies;
  readonly #relay: AcknowledgementRelay;

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
    });
    this.subsets = this.#createSubsets();
    this.#relay = this.#createRelay();
    this.gateway = new GatewayKeeper(
      { master: options.name, keys: options.identity.wireguard },
      { ...dependencies, directory: this.directory, subsets: this.subsets },
    );
    this.introductions = new Introductions({
      ...{ ...parts, hub: this.hub, subsets: this.subsets, gateway: this.gateway },
      onIntroduced: () => dependencies.metrics.introduced(),
    });
    const callerContext = (): CallerContext => this.#callerContext();
    this.access = new OperatorAccess({
      observer: this,
      callerContext,
      directory: this.directory,
    });
    const gate = this.#createGate();
    const listening = { ...dependencies, gate, observer: this, callerContext };
    this.sessions = new SessionListener({ ...listening, hub: this.hub });
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
    const { name: master, access, directory, subsets, hub, gateway, events, certificates } = this;
    return { master, access, directory, subsets, hub, gateway, events, certificates };
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
    this.subsets.reconcile();
    for (const served of this.subsets.serving()) this.#refreshView(served);
    void this.gateway.refresh();
  }

  #actingChanged(subset: SubsetName): Promise<unknown> {
    const served = this.subsets.findServed(subset);
    if (served) this.#refreshView(served);
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

  #callerContext(): CallerContext {
    const { name, rootCertificate } = this.directory.vpn;
    return { vpn: name, rootCertificate, nowMs: this.#dependencies.clock.nowMs() };
  }
}

/** A record that is gone by the time this master reads it was one of somebody who was put out. */
function endReasonOf({ state }: MemberRecord): EndReason {
  return state === 'active' || state === 'suspended' ? 'evicted' : state;
}
