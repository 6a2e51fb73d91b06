import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { formatSocketAddress } from '../model/endpoint.ts';

/** Finds one address of a host name. @throws whatever the resolver throws */
export type ResolveHost = (hostName: string) => Promise<string>;

/** The machine's own resolver, in the order that it prefers (RFC 6724). */
export const systemResolveHost: ResolveHost = async (hostName) =>
  (await lookup(hostName, { verbatim: true })).address;

/**
 * The numeric `address:port` that WireGuard wants; IPv6 in brackets.
 * @param host a name or an address, IPv6 in brackets
 */
export async function resolveEndpoint(
  host: string,
  port: number,
  resolveHost: ResolveHost,
): Promise<string> {
  const bare = host.replace(/^\[|\]$/g, '');
  const address = isIP(bare) ? bare : await resolveHost(bare);
  return formatSocketAddress(address, port);
}
