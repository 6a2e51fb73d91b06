import type { MasterName, SubsetName } from '../../model/names.ts';
import type { CountryCode } from './country-codes.ts';
import { type CriterionName, isFloor } from './criteria.ts';

/** What is governed by a jurisdiction rule. */
export type Governed = 'traffic' | 'records';

/** Why a candidate is none, whatever its score. */
export type Exclusion =
  /** No probe of the member's was answered. */
  | { readonly kind: 'unreachable' }
  /** It answers probes, but not on its control port. */
  | { readonly kind: 'not-serving' }
  | { readonly kind: 'draining' }
  | { readonly kind: 'full'; readonly capacity: number }
  /** A pin says another master or subset. */
  | { readonly kind: 'pinned'; readonly master?: MasterName; readonly subset?: SubsetName }
  | {
      readonly kind: 'limit';
      readonly criterion: CriterionName;
      readonly value: number;
      readonly limit: number;
      readonly isAssumed: boolean;
    }
  /** The criterion counts, has no value, and the policy assumes none. */
  | { readonly kind: 'unmeasured'; readonly criterion: CriterionName }
  /** `place` is `master fra` or `the store of region eu`; its jurisdiction is unknown where it is absent. */
  | {
      readonly kind: 'jurisdiction';
      readonly governed: Governed;
      readonly place: string;
      readonly jurisdiction?: CountryCode;
      /** The rule's own words: "within eea, CH". */
      readonly rule: string;
    };

/** A clause that follows the candidate's name: "fra: its latencyMs is 240, at most 150 is allowed". */
export function describeExclusion(exclusion: Exclusion): string {
  switch (exclusion.kind) {
    case 'unreachable':
      return 'it answers no probe';
    case 'not-serving':
      return 'it answers probes, but its control port does not answer';
    case 'draining':
      return 'it is being drained';
    case 'full':
      return `it is full with ${exclusion.capacity} members`;
    case 'pinned':
      return `the member is pinned to ${describePin(exclusion)}`;
    case 'unmeasured':
      return `its ${exclusion.criterion} is not known, and the policy assumes none`;
    case 'limit':
      return describeLimit(exclusion);
    case 'jurisdiction':
      return describeJurisdiction(exclusion);
  }
}

function describePin({ master, subset }: Extract<Exclusion, { kind: 'pinned' }>): string {
  const parts = [...(master ? [`master ${master}`] : []), ...(subset ? [`subset ${subset}`] : [])];
  return parts.join(' and ');
}

function describeLimit(exclusion: Extract<Exclusion, { kind: 'limit' }>): string {
  const { criterion, value, limit, isAssumed } = exclusion;
  const side = isFloor(criterion) ? 'at least' : 'at most';
  const verb = isAssumed ? 'is taken to be' : 'is';
  return `its ${criterion} ${verb} ${Number(value.toPrecision(6))}, and ${side} ${limit} is allowed`;
}

function describeJurisdiction(exclusion: Extract<Exclusion, { kind: 'jurisdiction' }>): string {
  const { governed, place, jurisdiction, rule } = exclusion;
  const where = jurisdiction ? `is in ${jurisdiction}` : 'is nobody knows where';
  return `${governed} must stay ${rule}, and ${place} ${where}`;
}
