import type { MemberName } from '../../src/model/names.ts';
import type { Address } from '../../src/model/prefix.ts';
import type { CrowdTarget } from './crowd-target.ts';

/*
 * What the benchmark tells a process of simulated members, and what it answers. One command at a
 * time; times are milliseconds of the machine's monotonic clock, so that processes can be compared.
 */

export type CrowdCommand =
  /** Makes keys and certificates, so that joining measures the master and not us. */
  | {
      readonly kind: 'prepare';
      readonly target: CrowdTarget;
      readonly count: number;
      readonly namePrefix: string;
      /** Of this process: tells its source addresses from those of others. */
      readonly crowd: number;
      /** Whether they look for another session when they have lost one. */
      readonly comeBack: boolean;
      /** Whether they say how they are reached directly, and so are introduced to others. */
      readonly takesDirect: boolean;
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
  /** Who of those that stay has been told of the key. */
  | { readonly kind: 'deliveries'; readonly epoch: number }
  /** How many have lost a session and found another one, since they joined. */
  | { readonly kind: 'presence' }
  /** Those that stay get a ticket each of the master that comes next in their order. */
  | { readonly kind: 'fetch-tickets'; readonly inFlight: number }
  /** How often any of them was told of another. */
  | { readonly kind: 'introductions' }
  /** Those that stay renew their certificates, one after the other, round and round. */
  | { readonly kind: 'renew'; readonly everyMs: number; readonly forMs: number };

export interface JoinReport {
  readonly kind: 'joined';
  readonly names: readonly MemberName[];
  /** Theirs in the VPN, in the same order. */
  readonly addresses: readonly Address[];
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

export interface PresenceReport {
  readonly kind: 'present';
  readonly lost: number;
  readonly found: number;
  /** When the last one was found; 0 before the first. */
  readonly lastFoundMs: number;
}

export interface IntroductionReport {
  readonly kind: 'introduced';
  readonly count: number;
}

export interface RenewalReport {
  readonly kind: 'renewed';
  readonly latenciesMs: readonly number[];
  /** How many sessions ended before the answer. */
  readonly unanswered: number;
}

export type CrowdAnswer =
  | { readonly kind: 'prepared' }
  | { readonly kind: 'tickets-fetched' }
  | JoinReport
  | DeliveryReport
  | PresenceReport
  | IntroductionReport
  | RenewalReport
  | { readonly kind: 'failed'; readonly reason: string };
