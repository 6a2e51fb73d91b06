import { Counter, Histogram, type Registry } from 'prom-client';
import type { ReportVerdict } from '../../core/measuring/report-check.ts';
import type { StunOutcome } from '../../stun/stun-server.ts';

/** From the same rack to the other side of the world. */
const latencyBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** How well members are connected, and what finding that out costs. Nothing here grows with the members. */
export class MeasuringMetrics {
  readonly #stun: Counter<'outcome'>;
  readonly #reports: Counter;
  readonly #verdicts: Counter<'verdict'>;
  readonly #alerts: Counter;
  readonly #transferred: Counter<'direction'>;
  readonly #refused: Counter<'reason'>;
  readonly #reported: Histogram;
  readonly #seen: Histogram;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#stun = new Counter({
      name: 'hanse_stun_packets_total',
      help: 'Packets at the STUN port, by what became of them',
      labelNames: ['outcome'],
      registers,
    });
    this.#reports = new Counter({
      name: 'hanse_measurement_reports_total',
      help: 'Reports of members about how well they are connected to masters',
      registers,
    });
    this.#verdicts = new Counter({
      name: 'hanse_measurement_checks_total',
      help: 'Reports that were compared with what this master measured, by verdict',
      labelNames: ['verdict'],
      registers,
    });
    this.#alerts = new Counter({
      name: 'hanse_measurement_alerts_total',
      help: 'Members whose reports began to disagree with what this master measured',
      registers,
    });
    this.#transferred = new Counter({
      name: 'hanse_transfer_bytes_total',
      help: 'Bytes of transfers that showed members their bandwidth, by direction as seen from here',
      labelNames: ['direction'],
      registers,
    });
    this.#refused = new Counter({
      name: 'hanse_transfers_refused_total',
      help: 'Transfers that were refused, by reason',
      labelNames: ['reason'],
      registers,
    });
    this.#reported = latency(
      registry,
      'hanse_reported_latency_seconds',
      'Median round trips to this master that members report',
    );
    this.#seen = latency(
      registry,
      'hanse_session_round_trip_seconds',
      'Round trips of sessions as this master measures them',
    );
  }

  stun(outcome: StunOutcome): void {
    this.#stun.inc({ outcome });
  }

  /** @param latencyMs of this master; absent when the member has none */
  reported(latencyMs: number | undefined): void {
    this.#reports.inc();
    if (latencyMs !== undefined) this.#reported.observe(latencyMs / 1_000);
  }

  seen(roundTripMs: number): void {
    this.#seen.observe(roundTripMs / 1_000);
  }

  judged(verdict: ReportVerdict): void {
    this.#verdicts.inc({ verdict });
  }

  alerted(): void {
    this.#alerts.inc();
  }

  transferred(direction: 'sent' | 'received', bytes: number): void {
    this.#transferred.inc({ direction }, bytes);
  }

  transferRefused(reason: 'busy' | 'budget'): void {
    this.#refused.inc({ reason });
  }
}

function latency(registry: Registry, name: string, help: string): Histogram {
  return new Histogram({ name, help, buckets: latencyBuckets, registers: [registry] });
}
