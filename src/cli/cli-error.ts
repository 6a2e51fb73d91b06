import { HanseError } from '../model/error.ts';

/**
 * - `no-profile`: no operator's profile was found. Fields: `looked` (directories).
 * - `several-profiles`, `several-masters`: one must be named. Fields: `names`.
 * - `no-master`: no master was made on this machine, or none of that name. Fields: `directory`.
 * - `nothing-here`: neither a member nor an operator on this machine. Fields: `directory`.
 * - `unknown-subset`: the VPN has none of that name. Fields: `name`.
 * - `old-master`: a master has to be updated for what is asked. Fields: `subset`.
 * - `no-candidate`: no subset, or not this one, can have an invite that placement decides; retryable.
 * - `no-such-invite`: no subset that answers has it. Fields: `invite`.
 * - `no-such-member`, `several-members`: a name alone that no subset, or more than one, has. Fields: `name`.
 * - `conflict`: the stored policy is another than the operator has seen. Fields: `revision`.
 * - `unbound-masters`: their certificates do not bind all addresses of their subsets. Fields: `masters`.
 */
export type CliErrorCode =
  | 'no-profile'
  | 'several-profiles'
  | 'several-masters'
  | 'no-master'
  | 'nothing-here'
  | 'unknown-subset'
  | 'old-master'
  | 'no-candidate'
  | 'no-such-invite'
  | 'no-such-member'
  | 'several-members'
  | 'conflict'
  | 'unbound-masters';

export class CliError extends HanseError<CliErrorCode> {}
