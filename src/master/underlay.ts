import { localMtuBytes } from '../host/local-mtu.ts';
import { tunnelMtuBytes, underlayMtuBytes } from '../host/mtu.ts';
import type { Runner } from '../host/runner.ts';
import type { Address } from '../model/prefix.ts';
import type { Clock } from '../runtime/clock.ts';

/** What the gateway has to know of the networks below its tunnels. */
export interface Underlay {
  /** Bytes that a tunnel to another master can carry. */
  tunnelMtuTo(address: Address): Promise<number>;
  /** Bytes that tunnels which arrive at this machine's own address can carry. */
  tunnelMtuAt(address: Address): Promise<number>;
}

/** MTUs change with the machine's routes, which is rare; asking for one starts a process. */
const rememberMs = 60_000;

export function createUnderlay({
  runner,
  clock,
}: {
  readonly runner: Runner;
  readonly clock: Clock;
}): Underlay {
  const known = new Map<string, { readonly untilMs: number; readonly mtuBytes: Promise<number> }>();
  const remember = (key: string, read: () => Promise<number>): Promise<number> => {
    const nowMs = clock.monotonicMs();
    const before = known.get(key);
    if (before && before.untilMs > nowMs) return before.mtuBytes;
    const mtuBytes = read().then(tunnelMtuBytes);
    known.set(key, { untilMs: nowMs + rememberMs, mtuBytes });
    mtuBytes.catch(() => known.delete(key));
    return mtuBytes;
  };
  return {
    tunnelMtuTo: (address) => remember(`to ${address}`, () => underlayMtuBytes(address, runner)),
    tunnelMtuAt: (address) => remember(`at ${address}`, () => localMtuBytes(address, runner)),
  };
}
