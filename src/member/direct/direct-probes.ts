import { memberLinkLocal } from '../../core/addressing.ts';
import type { Address } from '../../model/prefix.ts';
import type { Ask, ProbeMessage } from '../../paths/probe-message.ts';
import type { MemberHost, ProbeChannel } from '../member-host.ts';

/** What becomes of a probe that came; `from` is a link-local address, which WireGuard vouches for. */
export interface ProbeListener {
  /** @returns whether it is to be answered */
  onAsk(from: Address, ask: Ask): boolean;
  onAnswer(from: Address, sequence: number): void;
}

const sequenceCount = 2 ** 32;

/** Asks and answers on the direct interface, by one socket for all of its peers. */
export class DirectProbes {
  readonly #channel: ProbeChannel;
  readonly #listener: ProbeListener;
  #sequence = 0;

  /** @param ipv6 the member's own address */
  constructor(
    { interfaceName, ipv6 }: { readonly interfaceName: string; readonly ipv6: Address },
    host: MemberHost,
    listener: ProbeListener,
  ) {
    this.#listener = listener;
    this.#channel = host.openProbes(
      { interfaceName, address: memberLinkLocal(ipv6) },
      (message, from) => this.#receive(message, from),
    );
  }

  /** @returns what the answer will repeat */
  ask(to: Address, { using, hearsYou }: Pick<Ask, 'using' | 'hearsYou'>): number {
    this.#sequence = (this.#sequence + 1) % sequenceCount;
    this.#channel.send({ kind: 'ask', sequence: this.#sequence, using, hearsYou }, to);
    return this.#sequence;
  }

  /** Follows the interface: to be called again and again. */
  follow(): void {
    this.#channel.follow();
  }

  close(): void {
    this.#channel.close();
  }

  #receive(message: ProbeMessage, from: Address): void {
    if (message.kind === 'answer') this.#listener.onAnswer(from, message.sequence);
    if (message.kind !== 'ask' || !this.#listener.onAsk(from, message)) return;
    this.#channel.send({ kind: 'answer', sequence: message.sequence }, from);
  }
}
