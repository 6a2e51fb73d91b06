import { HanseError } from '../model/error.ts';

/**
 * - `command-failed`: a program ended badly or took too long. Fields: `command` (the full line, never
 *   with secrets), `stderr`, and `exitCode` or `reason`.
 * - `missing-program`: Fields: `program`, `package` (Debian's).
 * - `unreadable-output`: a program printed what we do not understand. Fields: `command`.
 * - `no-wireguard`: neither the kernel nor `wireguard-go` can do it. Fields: `reason`.
 * - `wireguard-go-too-old`: Fields: `path`, `version`, `minimumVersion`.
 * - `wireguard-go-failed`: it did not come up. Fields: `interface`, `output`.
 * - `not-ours`: something of that name exists and does not carry our mark. Fields: `interface`.
 * - `port-in-use`: another program has the UDP port. Fields: `port`, and `interface` if it was for one.
 * - `contradiction`: the wanted state cannot be had by any machine. Fields: what contradicts.
 * - `overlap`: the machine has networks within the VPN's prefixes. Fields: `overlaps`.
 * - `no-route`: the machine has no route to an address. Fields: `address`.
 * - `relay-full`: the relay has no two ports left. Fields: `pairs`, how many there can be.
 */
export type HostErrorCode =
  | 'command-failed'
  | 'missing-program'
  | 'unreadable-output'
  | 'no-wireguard'
  | 'wireguard-go-too-old'
  | 'wireguard-go-failed'
  | 'not-ours'
  | 'port-in-use'
  | 'contradiction'
  | 'overlap'
  | 'no-route'
  | 'relay-full';

export class HostError extends HanseError<HostErrorCode> {}

/** What a failed program said; empty for any other error. */
export function stderrOf(error: unknown): string {
  if (!(error instanceof HostError)) return '';
  const { stderr = '' } = error.fields;
  return String(stderr);
}
