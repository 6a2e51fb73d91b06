import { describeError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { fetchTicket } from './master-connector.ts';
import type { Membership } from './membership.ts';

/** Nobody who loses a master within this time needs a ticket: there are few, or all have just come. */
const shortestRoundMs = 60_000;
/** Members together take a sixteenth of what a master has for members that lost theirs. */
const spreadsPerRound = 16;

export interface TicketKeeperDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1. */
  readonly random: () => number;
}

/**
 * Sees to it that there is a ticket of the master to which this member would turn if it lost the current
 * one. A certificate's life costs that master one connection of each member. Runs until the signal is aborted.
 */
export async function keepTickets(
  membership: Membership,
  current: MasterName,
  dependencies: TicketKeeperDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, random } = dependencies;
  for (;;) {
    const roundMs = Math.max(shortestRoundMs, spreadsPerRound * membership.state.view.spreadMs);
    const waitMs = random() * roundMs;
    await clock.sleep(waitMs, signal);
    const next = membership.masterOrder.find(({ name }) => name !== current);
    if (next && needsTicket(membership, next.name, clock.nowMs() + roundMs)) {
      await fetchTicket(next, membership, dependencies, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        const fields = { membership: membership.name, master: next.name };
        log.debug({ ...fields, reason: describeError(error) }, 'no ticket of the next master');
      });
    }
    await clock.sleep(roundMs - waitMs, signal);
  }
}

/** With a certificate that has run out no master resumes. */
function needsTicket(membership: Membership, master: MasterName, goodUntilMs: number): boolean {
  if (membership.hasExpired()) return false;
  return !membership.tickets.has(master, membership.state.chain, goodUntilMs);
}
