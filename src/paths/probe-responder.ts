import type { Address } from '../model/prefix.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { LinkAddresses } from './link-addresses.ts';
import type { Ask } from './probe-message.ts';
import { ProbeSocket, type ProbeSocketOptions } from './probe-socket.ts';

export interface ProbeResponderDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /**
   * A probe came.
   * @param from the link-local address; WireGuard has made sure that it is the sender's own
   */
  readonly onAsk: (from: Address, ask: Pick<Ask, 'using' | 'sequence'>) => void;
}

/** How soon an interface that was made anew is listened on. */
const followEveryMs = 250;

/**
 * The passive end of many tunnels that share an interface: answers each probe at once and remembers
 * nothing, so that it costs some ten microseconds for each.
 */
export class ProbeResponder {
  readonly #dependencies: ProbeResponderDependencies;
  readonly #socket: ProbeSocket;

  constructor(options: ProbeSocketOptions, dependencies: ProbeResponderDependencies) {
    this.#dependencies = dependencies;
    this.#socket = new ProbeSocket(options, {
      log: dependencies.log,
      onMessage: (message, from) => {
        if (message.kind !== 'ask') return;
        this.#socket.send({ kind: 'answer', sequence: message.sequence }, from);
        dependencies.onAsk(from, message);
      },
    });
  }

  /** Answers until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#dependencies;
    while (!signal.aborted) {
      try {
        this.#socket.follow(LinkAddresses.read());
      } catch (error) {
        log.error({ error }, 'could not look at the tunnels');
      }
      await clock.sleep(followEveryMs, signal).catch(() => undefined);
    }
    this.#socket.close();
  }
}
