import { z } from 'zod';

const host = '(?:\\[[0-9a-fA-F:.]+\\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)';

/** Where a daemon listens: `host:port`, IPv6 in brackets. */
export const endpointSchema = z
  .string()
  .regex(new RegExp(`^${host}:[0-9]{1,5}$`), 'expected host:port, IPv6 in brackets')
  .refine((text) => portOf(text) >= 1 && portOf(text) <= 65_535, 'the port must be 1 to 65535')
  .brand<'Endpoint'>();
export type Endpoint = z.infer<typeof endpointSchema>;

/** A host name or address without a port; IPv6 in brackets. */
export const hostSchema = z
  .string()
  .regex(new RegExp(`^${host}$`), 'expected a host name or an address, IPv6 in brackets');

export function portOf(endpoint: string): number {
  return Number(endpoint.slice(endpoint.lastIndexOf(':') + 1));
}

/** `address:port` as WireGuard wants it: IPv6 in brackets. @param address numeric */
export function formatSocketAddress(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The host without brackets, as sockets want it. */
export function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}
