import { HanseError } from '../src/model/error.ts';

/**
 * - `invalid-topology`: the description contradicts itself. Fields: `name`, where one is to blame.
 * - `not-root`: namespaces need root.
 * - `unknown-node`: no host, router or link of that name. Fields: `name`, `known`.
 * - `not-delayable`: the link was not declared as one that can delay or lose. Fields: `name`.
 * - `no-nat`: the node translates nothing. Fields: `name`.
 * - `cannot-roam`: only hosts do, and only to sites with an address left. Fields: `name`.
 * - `build-failed`: the machine refused something that the lab needs. Fields: `namespace`.
 * - `left-behind`: removal did not remove everything. Fields: `remains`.
 */
export type LabErrorCode =
  | 'invalid-topology'
  | 'not-root'
  | 'unknown-node'
  | 'not-delayable'
  | 'no-nat'
  | 'cannot-roam'
  | 'build-failed'
  | 'left-behind';

export class LabError extends HanseError<LabErrorCode> {}
