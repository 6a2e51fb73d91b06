import type { Prefix } from '../model/prefix.ts';
import type { BlockRoute } from './block-routes.ts';

/** What a master remembers of the blocks that it delivers, or delivered until a moment ago. */
export interface Deliveries {
  /** Destinations that it delivers because they are its own to deliver. */
  readonly own: ReadonlySet<Prefix>;
  /** Those that another master is preferred for since, and until when it goes on. */
  readonly lingering: ReadonlyMap<Prefix, number>;
}

export const noDeliveries: Deliveries = { own: new Set(), lingering: new Map() };

/** Above the time that all masters and members need to learn of a change. */
export const lingerMs = 3_000;

/**
 * Takes in which way is preferred now. A destination that was delivered here and is another
 * master's now is delivered on for `lingerMs`; one that comes back is delivered at once.
 *
 * @param preferred routes as they would be without any lingering
 */
export function updateDeliveries(
  before: Deliveries,
  preferred: readonly BlockRoute[],
  nowMs: number,
): Deliveries {
  const own = new Set<Prefix>();
  const lingering = new Map<Prefix, number>();
  for (const { destination, via } of preferred) {
    const untilMs = before.own.has(destination)
      ? nowMs + lingerMs
      : (before.lingering.get(destination) ?? nowMs);
    if (via === 'members') own.add(destination);
    else if (untilMs > nowMs) lingering.set(destination, untilMs);
  }
  return { own, lingering };
}

/** When the next lingering ends; undefined when there is none. */
export function nextDeliveryChangeMs({ lingering }: Deliveries): number | undefined {
  return lingering.size === 0 ? undefined : Math.min(...lingering.values());
}
