import { HanseError } from '../model/error.ts';

/**
 * - `exists`: the name is taken, or the store or the directory holds another VPN. Fields: `name`.
 * - `no-vpn`: the store holds no VPN. Fields: `store`.
 * - `no-root-key`: the command needs the root key and it is not there. Fields: `path`.
 * - `wrong-root-key`: the key is not that of the VPN's root certificate. Fields: `path`.
 * - `unknown-master`: no master of that name. Fields: `name`.
 * - `address-taken`: another master has the same endpoint. Fields: `name`, `endpoint`.
 * - `exhausted`: no more masters, or subsets, fit into one VPN. Fields: `limit`.
 * - `conflict`: others kept changing the directory; retryable. Fields: `name`.
 */
export type ProvisionErrorCode =
  | 'exists'
  | 'no-vpn'
  | 'no-root-key'
  | 'wrong-root-key'
  | 'unknown-master'
  | 'address-taken'
  | 'exhausted'
  | 'conflict';

export class ProvisionError extends HanseError<ProvisionErrorCode> {}
