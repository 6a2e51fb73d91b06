import type { Address } from '../model/prefix.ts';
import { readLinks } from './link/link-snapshot.ts';
import { underlayMtuBytes } from './mtu.ts';
import type { Runner } from './runner.ts';

/**
 * The MTU of the interface that carries one of this machine's own addresses, which is what others
 * can send to it; for an address that it does not have itself, being behind a NAT, that of the way to it.
 * @throws HostError `no-route`, `command-failed`
 */
export async function localMtuBytes(address: Address, runner: Runner): Promise<number> {
  for (const { mtuBytes, addresses } of (await readLinks(runner)).values()) {
    if (addresses.some((own) => own.address === address)) return mtuBytes;
  }
  return underlayMtuBytes(address, runner);
}
