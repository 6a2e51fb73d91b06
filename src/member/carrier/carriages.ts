import type { MasterName } from '../../model/names.ts';
import { runUntilAborted } from '../../runtime/abort.ts';
import { carryByMaster } from '../master-connector.ts';
import type { Membership } from '../membership.ts';
import { Carriage, type CarriageDependencies, type CarriedTunnel } from './carriage.ts';

/** A carriage for the tunnel to each of a membership's masters, as they come and go. */
export class Carriages {
  readonly #membership: Membership;
  readonly #dependencies: CarriageDependencies;
  /** What ends each. */
  readonly #running = new Map<MasterName, AbortController>();

  constructor(membership: Membership, dependencies: CarriageDependencies) {
    this.#membership = membership;
    this.#dependencies = dependencies;
  }

  /** Runs until the signal is aborted. @throws its reason */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      const masters = new Set(this.#membership.masterOrder.map(({ name }) => name));
      for (const [master, stop] of this.#running) {
        if (masters.has(master)) continue;
        stop.abort();
        this.#running.delete(master);
      }
      for (const master of masters) if (!this.#running.has(master)) this.#start(master, signal);
      await this.#membership.paths.nextChange(signal);
    }
  }

  #start(master: MasterName, signal: AbortSignal): void {
    const stop = new AbortController();
    this.#running.set(master, stop);
    const carriage = new Carriage(this.#tunnelTo(master), this.#dependencies);
    void runUntilAborted(
      (until) => carriage.run(until),
      AbortSignal.any([signal, stop.signal]),
      (error) =>
        this.#dependencies.log.error({ master, err: error }, 'a tunnel is not looked after'),
    ).finally(() => {
      // Its carrier is closed. A later carriage to the same master may have begun.
      const running = this.#running.get(master);
      if (running === undefined || running === stop) this.#membership.forgetCarrier(master);
    });
  }

  #tunnelTo(master: MasterName): CarriedTunnel {
    const membership = this.#membership;
    const { paths } = membership;
    return {
      master,
      isAlive: () => paths.isAlive(master),
      udpWorksElsewhere: () =>
        membership.masterOrder.some(
          ({ name }) => name !== master && membership.isProvenOverUdp(name),
        ),
      nextChange: (signal) => paths.nextChange(signal),
      open: (signal) => {
        const contact = membership.masterOrder.find(({ name }) => name === master);
        if (!contact) throw new Error(`${master} is no master of ${membership.name} any more`);
        return carryByMaster(contact, membership, this.#dependencies, signal);
      },
      use: (endpoint) => membership.carry(master, endpoint),
      answersWithin: (limitMs, signal) => membership.answersWithin(master, limitMs, signal),
    };
  }
}
