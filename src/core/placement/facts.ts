import type { MasterName, MemberName, RegionName, SubsetName } from '../../model/names.ts';
import type { CountryCode } from './country-codes.ts';

/** Where something is, as far as anybody knows. What the policy declares wins, field by field. */
export interface Place {
  /** WGS 84, degrees north, -90 to 90. */
  readonly latitude?: number | undefined;
  /** WGS 84, degrees east, -180 to 180. */
  readonly longitude?: number | undefined;
  /** The building or the campus: what one power cut takes. */
  readonly site?: string | undefined;
  /** Who runs the network or the machines there. */
  readonly provider?: string | undefined;
  readonly jurisdiction?: CountryCode | undefined;
}

/** What is known of the way between one member and one master. */
export interface Measurement {
  /** Median round trip; 0 or more. */
  readonly latencyMs: number;
  /** Of the round trips, by the estimator of RFC 3550 §6.4.1. */
  readonly jitterMs: number;
  /** Probes that were not answered: 0 to 1. */
  readonly lossRatio: number;
  /** Routers on the way. */
  readonly hops?: number | undefined;
  /** Autonomous systems on the way, by the operator's table. */
  readonly asPathLength?: number | undefined;
  /** Of the slower direction. */
  readonly bandwidthBitsPerSecond?: number | undefined;
  /** Whether its control port answers too; a master may answer probes and nothing else. */
  readonly servesControl: boolean;
}

/** By master; a master that has never answered is not in it. A `Map` is one, `MeasurementTable` a smaller one. */
export interface Measurements {
  get(master: MasterName): Measurement | undefined;
}

export interface MemberFacts {
  /** Two members of one VPN may share a name, if they are in different subsets. */
  readonly name: MemberName;
  /** The name is its own word: what a policy has for members by their names is for others. */
  readonly namesItself?: boolean | undefined;
  /** Where it is now; absent for one that has no place yet. */
  readonly subset?: SubsetName | undefined;
  readonly place?: Place | undefined;
  /** With its acting master, both directions together; absent while less than an hour of it was counted. */
  readonly bytesPerDay?: number | undefined;
  readonly measurements: Measurements;
}

export interface MasterFacts {
  readonly name: MasterName;
  readonly place?: Place | undefined;
  /** How many members it acts for now. */
  readonly members: number;
  /** It is being emptied: it gets nobody, and whoever is there may stay until it has handed over. */
  readonly isDraining: boolean;
}

/** A candidate: joining it means being governed by its acting master. */
export interface SubsetFacts {
  readonly name: SubsetName;
  readonly acting: MasterName;
  readonly backups: readonly MasterName[];
  /** Whose store has its roll; absent for the directory's. */
  readonly region?: RegionName | undefined;
}

/** All that does not depend on the member. Names are unique; order does not matter. */
export interface World {
  readonly masters: readonly MasterFacts[];
  /** Those whose acting master is not in `masters` are no candidates. */
  readonly subsets: readonly SubsetFacts[];
}
