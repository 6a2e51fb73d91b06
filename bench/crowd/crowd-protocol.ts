import type { MemberName } from '../../src/model/names.ts';

/*
 * What the benchmark tells a process of simulated members, and what it answers. One command at a
 * time; times are milliseconds of the machine's monotonic clock, so that processes can be compared.
 */

export interface CrowdTarget {
  /** The master's control endpoint, an IPv4 one. */
  readonly host: string;
  readonly port: number;
  /** The name that the master must prove. */
  readonly dnsName: string;
  /** PEM */
  readonly rootCertificate: string;
}

export type CrowdCommand =
  /** Makes keys and certificates, so that joining measures the master and not us. */
  | {
      readonly kind: 'prepare';
      readonly target: CrowdTarget;
      readonly count: number;
      readonly namePrefix: string;
      /** Of this process: tells its source addresses from those of others. */
      readonly crowd: number;
    }
  /** Joins so many of those that are prepared. */
  | {
      readonly kind: 'join';
      readonly token: string;
      readonly count: number;
      /** How many at once. */
      readonly inFlight: number;
      /** Whether the sessions stay open. */
      readonly stay: boolean;
    }
  /** Who of those that stay has been told of the revision. */
  | { readonly kind: 'deliveries'; readonly revision: number };

export interface JoinReport {
  readonly kind: 'joined';
  readonly names: readonly MemberName[];
  readonly startedMs: number;
  readonly endedMs: number;
  /** From the first packet to the admission, one each. */
  readonly latenciesMs: readonly number[];
  /** How often the master asked somebody to come back later. */
  readonly retries: number;
}

export interface DeliveryReport {
  readonly kind: 'delivered';
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export type CrowdAnswer =
  | { readonly kind: 'prepared' }
  | JoinReport
  | DeliveryReport
  | { readonly kind: 'failed'; readonly reason: string };
