import { localMtuBytes } from '../host/local-mtu.ts';
import { tunnelMtuBytes, underlayMtuBytes } from '../host/mtu.ts';
import type { Runner } from '../host/runner.ts';
import type { Address } from '../model/prefix.ts';
import type { Clock } from '../runtime/clock.ts';
import { KeyedQueue } from '../runtime/keyed-queue.ts';

/** What the gateway has to know of the networks below its tunnels. */
export interface Underlay {
  /** Bytes that a tunnel to another master can carry. */
  tunnelMtuTo(address: Address): Promise<number>;
  /** Bytes that tunnels which arrive at this machine's own address can carry. */
  tunnelMtuAt(address: Address): Promise<number>;
}

/**
 * Below the interval at which the gateway is looked after, so that a path that turns out to be
 * narrow is believed at the next look: until then `wireguard-go` loses every batch of packets that
 * is too long. Asking starts a process, so not every change of the roll may ask.
 */
const rememberMs = 5_000;

/**
 * Linux forgets after ten minutes that a path is narrow, and finds it out anew by losing packets
 * (`net.ipv4.route.mtu_expires`). A tunnel that stays narrow for longer than it must costs little.
 */
const narrowForMs = 6 * 3_600_000;

interface KnownMtu {
  readonly untilMs: number;
  readonly mtuBytes: Promise<number>;
}

export function createUnderlay({
  runner,
  clock,
}: {
  readonly runner: Runner;
  readonly clock: Clock;
}): Underlay {
  const known = new Map<string, KnownMtu>();
  const narrowest = new Map<string, { readonly untilMs: number; readonly mtuBytes: number }>();
  // To start a process stops this one for some ten milliseconds when it is large: never two in a row.
  const asking = new KeyedQueue<'one'>();
  const keepNarrow = (key: string, mtuBytes: number): number => {
    const nowMs = clock.monotonicMs();
    const before = narrowest.get(key);
    if (before && before.untilMs > nowMs && before.mtuBytes < mtuBytes) return before.mtuBytes;
    narrowest.set(key, { untilMs: nowMs + narrowForMs, mtuBytes });
    return mtuBytes;
  };
  const remember = (key: string, read: () => Promise<number>): Promise<number> => {
    const nowMs = clock.monotonicMs();
    const before = known.get(key);
    if (before && before.untilMs > nowMs) return before.mtuBytes;
    const mtuBytes = asking
      .run('one', read)
      .then((bytes) => keepNarrow(key, tunnelMtuBytes(bytes)));
    known.set(key, { untilMs: nowMs + rememberMs, mtuBytes });
    mtuBytes.catch(() => known.delete(key));
    return mtuBytes;
  };
  return {
    tunnelMtuTo: (address) => remember(`to ${address}`, () => underlayMtuBytes(address, runner)),
    tunnelMtuAt: (address) => remember(`at ${address}`, () => localMtuBytes(address, runner)),
  };
}
