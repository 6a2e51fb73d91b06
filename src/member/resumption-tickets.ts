import type { MasterName } from '../model/names.ts';

export interface ResumptionTicket {
  /** As TLS gave it; secret: whoever has it can be this member at that master. */
  readonly session: Buffer;
  /** The member's own, with which it was got. */
  readonly chain: readonly string[];
  /** When the certificate of either end runs out. */
  readonly endsAtMs: number;
}

/**
 * With a ticket (RFC 8446 §4.6.1) a handshake costs neither end a signature or the check of a chain:
 * ten thousand members can turn to another master in half the time. Tickets are in this process's memory and
 * nowhere else. A master that does not take one goes on with a full handshake.
 */
export class ResumptionTickets {
  readonly #tickets = new Map<MasterName, ResumptionTicket>();

  /** In the place of an older one of the same master. */
  keep(master: MasterName, ticket: ResumptionTicket): void {
    this.#tickets.set(master, ticket);
  }

  /** Whether there is one for this certificate that is good for so long at least. */
  has(master: MasterName, chain: readonly string[], untilMs: number): boolean {
    const ticket = this.#tickets.get(master);
    return ticket !== undefined && ticket.chain[0] === chain[0] && ticket.endsAtMs > untilMs;
  }

  /** Each is used once (RFC 8446 §C.4). @returns undefined when there is none, or not for this certificate now */
  take(master: MasterName, chain: readonly string[], nowMs: number): Buffer | undefined {
    const isUsable = this.has(master, chain, nowMs);
    const ticket = this.#tickets.get(master);
    this.#tickets.delete(master);
    return isUsable ? ticket?.session : undefined;
  }
}
