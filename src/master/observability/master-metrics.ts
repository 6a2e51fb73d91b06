import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ActingChange } from '../../model/records/directory.ts';
import { FailoverMetrics, observeRoles } from './failover-metrics.ts';
import { MeasuringMetrics } from './measuring-metrics.ts';

/** A figure that is read when Prometheus asks for it, by subset. */
export interface SubsetFigures {
  readonly subset: string;
  readonly role: 'acting' | 'backup';
  readonly members: number;
  readonly sessions: number;
  readonly epoch: number;
}

export interface MetricSources {
  subsets(): readonly SubsetFigures[];
  /** Age of the last handshake with each other master, milliseconds. */
  backboneHandshakes(): Promise<readonly { readonly master: string; readonly ageMs: number }[]>;
  /** Whether packets come and go between this master and each other one. */
  backbonePaths(): readonly { readonly master: string; readonly isAlive: boolean }[];
  /** Members that are routed one by one, because they use another master than their address block. */
  strays(): number;
  /** Members whose packets come over the control port, because their network lets no UDP through. */
  carried(): number;
  /** Pairs of members whose WireGuard datagrams are passed on, and how many those were. */
  relayed(): { readonly pairs: number; readonly packets: number; readonly bytes: number };
  /** Packets that the gateway's filter dropped, by rule. */
  drops(): Promise<readonly { readonly rule: string; readonly packets: number }[]>;
}

/**
 * What a master counts. Control messages are counted by sender and kind, because that they do not
 * arrive from subsets which are not this master's is a promise (DESIGN §3, 2).
 */
export class MasterMetrics {
  readonly registry = new Registry();
  readonly measuring = new MeasuringMetrics(this.registry);
  readonly #received: Counter<'sender' | 'kind'>;
  readonly #refused: Counter<'code'>;
  readonly #storeSeconds: Histogram<'operation'>;
  readonly #storeEvents: Counter<'scope'>;
  readonly #introductions: Counter;
  readonly #failover: FailoverMetrics;

  constructor() {
    const registers = [this.registry];
    this.#failover = new FailoverMetrics(this.registry);
    collectDefaultMetrics({ register: this.registry });
    this.#received = new Counter({
      name: 'hanse_control_messages_received_total',
      help: 'Control messages received, by sender (role and name or subset) and kind',
      labelNames: ['sender', 'kind'],
      registers,
    });
    this.#refused = new Counter({
      name: 'hanse_refused_total',
      help: 'Joins, sessions and requests that were refused, by code',
      labelNames: ['code'],
      registers,
    });
    this.#storeSeconds = new Histogram({
      name: 'hanse_store_operation_seconds',
      help: 'Time that operations of the store took',
      labelNames: ['operation'],
      buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
      registers,
    });
    this.#introductions = new Counter({
      name: 'hanse_introductions_total',
      help: 'Pairs of members that were told how to reach each other directly',
      registers,
    });
    this.#storeEvents = new Counter({
      name: 'hanse_store_events_received_total',
      help: 'Changes that the store delivered to the watches, by what is watched',
      labelNames: ['scope'],
      registers,
    });
  }

  actingChanged(subset: string, change: ActingChange): void {
    this.#failover.actingChanges.inc({ subset, change });
  }

  leaseRenewalFailed(subset: string): void {
    this.#failover.renewalsFailed.inc({ subset });
  }

  /** @param kind what a member asked for that was asked of another master */
  passedOn(kind: string, outcome: 'done' | 'failed'): void {
    this.#failover.passedOn.inc({ kind, outcome });
  }

  received(sender: string, kind: string): void {
    this.#received.inc({ sender, kind });
  }

  refused(code: string): void {
    this.#refused.inc({ code });
  }

  introduced(): void {
    this.#introductions.inc();
  }

  storeOperation(operation: string, seconds: number): void {
    this.#storeSeconds.observe({ operation }, seconds);
  }

  /** @param scope `directory`, or `roll/SUBSET` */
  storeEvents(scope: string, count: number): void {
    this.#storeEvents.inc({ scope }, count);
  }

  /** For `hanse status`: what Prometheus gets, as rows. */
  async receivedCounts(): Promise<{ sender: string; kind: string; count: number }[]> {
    const { values } = await this.#received.get();
    return values.map(({ labels, value }) => ({
      sender: String(labels.sender),
      kind: String(labels.kind),
      count: value,
    }));
  }

  async storeEventCounts(): Promise<{ sender: string; kind: string; count: number }[]> {
    const { values } = await this.#storeEvents.get();
    return values.map(({ labels, value }) => ({
      sender: 'store',
      kind: String(labels.scope),
      count: value,
    }));
  }

  async refusedCounts(): Promise<{ code: string; count: number }[]> {
    const { values } = await this.#refused.get();
    return values.map(({ labels, value }) => ({ code: String(labels.code), count: value }));
  }

  /** Registers the gauges that are read when they are asked for. */
  observe(sources: MetricSources): void {
    const registers = [this.registry];
    const perSubset = (
      name: string,
      help: string,
      figureOf: (figures: SubsetFigures) => number,
    ): void => {
      const gauge: Gauge<'subset'> = new Gauge({
        name,
        help,
        labelNames: ['subset'],
        registers,
        collect: () => {
          gauge.reset();
          for (const figures of sources.subsets())
            gauge.set({ subset: figures.subset }, figureOf(figures));
        },
      });
    };
    perSubset('hanse_members', 'Active members in the roll', ({ members }) => members);
    perSubset('hanse_sessions', 'Members with a control session here', ({ sessions }) => sessions);
    perSubset('hanse_epoch', 'Epoch of the subset key', ({ epoch }) => epoch);
    observeRoles(this.registry, () => sources.subsets());
    this.#observeBackbone(sources);
    this.#observePaths(sources);
    this.#observeRelay(sources);
    this.#observeDrops(sources);
  }

  #observeBackbone(sources: MetricSources): void {
    const gauge: Gauge<'master'> = new Gauge({
      name: 'hanse_backbone_handshake_age_seconds',
      help: 'Time since the last WireGuard handshake with another master',
      labelNames: ['master'],
      registers: [this.registry],
      collect: async () => {
        const ages = await sources.backboneHandshakes();
        gauge.reset();
        for (const { master, ageMs } of ages) gauge.set({ master }, ageMs / 1_000);
      },
    });
  }

  #observePaths(sources: MetricSources): void {
    const registers = [this.registry];
    const alive: Gauge<'master'> = new Gauge({
      name: 'hanse_backbone_alive',
      help: 'Whether packets come and go between this master and another one: 1 or 0',
      labelNames: ['master'],
      registers,
      collect: () => {
        alive.reset();
        for (const { master, isAlive } of sources.backbonePaths())
          alive.set({ master }, isAlive ? 1 : 0);
      },
    });
    const carried: Gauge = new Gauge({
      name: 'hanse_carried_members',
      help: 'Members whose WireGuard packets come over the control port',
      registers,
      collect: () => carried.set(sources.carried()),
    });
    const strays: Gauge = new Gauge({
      name: 'hanse_stray_members',
      help: 'Members that are routed one by one, because they use another master than their address block',
      registers,
      collect: () => strays.set(sources.strays()),
    });
  }

  #observeRelay(sources: MetricSources): void {
    const registers = [this.registry];
    const pairs: Gauge = new Gauge({
      name: 'hanse_relayed_pairs',
      help: 'Pairs of members whose WireGuard datagrams this master passes on when they find no direct path',
      registers,
      collect: () => pairs.set(sources.relayed().pairs),
    });
    const count = (name: string, figure: 'packets' | 'bytes'): void => {
      const counter: Counter = new Counter({
        name,
        help: `WireGuard datagrams passed on between members, in ${figure}`,
        registers,
        collect: () => {
          counter.reset();
          counter.inc(sources.relayed()[figure]);
        },
      });
    };
    count('hanse_relayed_packets_total', 'packets');
    count('hanse_relayed_bytes_total', 'bytes');
  }

  #observeDrops(sources: MetricSources): void {
    const gauge: Gauge<'rule'> = new Gauge({
      name: 'hanse_gateway_dropped_packets',
      help: 'Packets that the gateway filter dropped, by rule',
      labelNames: ['rule'],
      registers: [this.registry],
      collect: async () => {
        for (const { rule, packets } of await sources.drops()) gauge.set({ rule }, packets);
      },
    });
  }
}
