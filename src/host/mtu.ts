import type { Address } from '../model/prefix.ts';
import { readLinks } from './link/link-snapshot.ts';
import { noRoute, readWay } from './link/way.ts';
import type { Runner } from './runner.ts';

/**
 * What WireGuard puts around a packet: 40 bytes of IPv6 (IPv4 would take 20, but a path may change
 * from one to the other), 8 of UDP, 16 of message header and 16 of authentication tag.
 */
const overheadBytes = 40 + 8 + 16 + 16;
/** IPv6 asks for no less of any link (RFC 8200 §5). */
const minTunnelMtuBytes = 1_280;
/** Jumbo frames; beyond are loopback interfaces, whose size no path of packets has. */
const maxUnderlayMtuBytes = 9_000;

/** The MTU of a tunnel over a path of the given MTU. */
export function tunnelMtuBytes(underlayMtuBytes: number): number {
  return Math.max(
    minTunnelMtuBytes,
    Math.min(underlayMtuBytes, maxUnderlayMtuBytes) - overheadBytes,
  );
}

/**
 * The MTU of the way to an address as far as this machine knows: that of the route if it has one,
 * else that of the interface. Changes with the machine's routes.
 *
 * @throws HostError `no-route`, `command-failed`
 */
export async function underlayMtuBytes(address: Address, runner: Runner): Promise<number> {
  const { device, mtuBytes } = await readWay(address, runner);
  if (mtuBytes !== undefined) return mtuBytes;
  const link = (await readLinks(runner)).get(device);
  if (link === undefined) throw noRoute(address);
  return link.mtuBytes;
}
