import { HanseError } from '../model/error.ts';

/**
 * - `exists`: the name is taken, or the store or the directory holds another VPN. Fields: `name`.
 * - `no-vpn`: the store holds no VPN. Fields: `store`.
 * - `no-root-key`: the command needs the root key and it is not there. Fields: `path`.
 * - `wrong-root-key`: the key is not that of the VPN's root certificate. Fields: `path`.
 * - `unknown-master`, `unknown-subset`, `unknown-region`: none of that name. Fields: `name`.
 * - `still-acting`: the master acts for the subset and so cannot stop serving it. Fields: `name`.
 * - `address-taken`: another master has the same endpoint. Fields: `name`, `endpoint`.
 * - `overlap`: by the directory a subset has a block that cannot be its own, or lacks one that it had. Fields: `name`.
 * - `exhausted`: no more masters, or subsets, fit into one VPN. Fields: `limit`.
 * - `not-empty`: a store or a directory that must be empty is not. Fields: `store` or `directory`.
 * - `in-use`: masters hold leases in a store that must rest; retryable. Fields: `subsets`.
 * - `source-changed`: a store was changed while it was copied; retryable. Fields: `key`.
 * - `differs`: a store does not hold what was written; retryable. Fields: `key`.
 * - `bad-backup`: a backup is damaged, or what it holds cannot be. Fields: `what`.
 * - `revoked`: the operator's key is. Fields: `name`.
 * - `conflict`: others kept changing the directory; retryable. Fields: `name`.
 */
export type ProvisionErrorCode =
  | 'exists'
  | 'no-vpn'
  | 'no-root-key'
  | 'wrong-root-key'
  | 'unknown-master'
  | 'unknown-subset'
  | 'unknown-region'
  | 'still-acting'
  | 'address-taken'
  | 'overlap'
  | 'exhausted'
  | 'not-empty'
  | 'in-use'
  | 'source-changed'
  | 'differs'
  | 'bad-backup'
  | 'revoked'
  | 'conflict';

export class ProvisionError extends HanseError<ProvisionErrorCode> {}
