import { HanseError } from '../model/error.ts';

/**
 * - `no-profile`: no operator's profile was found. Fields: `looked` (directories).
 * - `several-profiles`, `several-masters`: one must be named. Fields: `names`.
 * - `no-master`: no master was made on this machine, or none of that name. Fields: `directory`.
 * - `nothing-here`: neither a member nor an operator on this machine. Fields: `directory`.
 * - `unknown-subset`: the VPN has none of that name. Fields: `name`.
 * - `no-such-member`, `several-members`: a name alone that no subset, or more than one, has. Fields: `name`.
 */
export type CliErrorCode =
  | 'no-profile'
  | 'several-profiles'
  | 'several-masters'
  | 'no-master'
  | 'nothing-here'
  | 'unknown-subset'
  | 'no-such-member'
  | 'several-members';

export class CliError extends HanseError<CliErrorCode> {}
