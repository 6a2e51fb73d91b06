import { memberAddress } from '../bed/master-network.ts';
import type { CrowdAnswer, CrowdCommand, DeliveryReport, JoinReport } from './crowd-protocol.ts';
import { monotonicMs } from './monotonic-ms.ts';
import { SimulatedMember } from './simulated-member.ts';

/** More than any has, so that no two come from one address. */
const membersPerCrowd = 8_000;

/** The members of this process, and when each revision reached them. */
class CrowdProcess {
  readonly #prepared: SimulatedMember[] = [];
  readonly #deliveries = new Map<number, { count: number; firstMs: number; lastMs: number }>();

  async handle(command: CrowdCommand): Promise<CrowdAnswer> {
    if (command.kind === 'prepare') return this.#prepare(command);
    if (command.kind === 'join') return this.#join(command);
    return this.#report(command.revision);
  }

  #prepare(command: Extract<CrowdCommand, { kind: 'prepare' }>): CrowdAnswer {
    const { target, count, namePrefix, crowd } = command;
    for (let index = 0; index < count; index += 1) {
      this.#prepared.push(
        new SimulatedMember({
          name: `${namePrefix}-${index}`,
          target,
          sourceAddress: memberAddress(crowd * membersPerCrowd + index),
          onRevision: (revision) => this.#noteDelivery(revision),
        }),
      );
    }
    return { kind: 'prepared' };
  }

  async #join(command: Extract<CrowdCommand, { kind: 'join' }>): Promise<JoinReport> {
    const { token, count, inFlight, stay } = command;
    const members = this.#prepared.splice(0, count);
    const names = members.map(({ name }) => name);
    const latenciesMs: number[] = [];
    let retries = 0;
    const startedMs = monotonicMs();
    const joinNext = async (): Promise<void> => {
      for (let member = members.shift(); member; member = members.shift()) {
        const beforeMs = monotonicMs();
        retries += await member.join(token);
        latenciesMs.push(monotonicMs() - beforeMs);
        if (!stay) member.disconnect();
      }
    };
    await Promise.all(Array.from({ length: inFlight }, joinNext));
    return { kind: 'joined', names, startedMs, endedMs: monotonicMs(), latenciesMs, retries };
  }

  #noteDelivery(revision: number): void {
    const nowMs = monotonicMs();
    const known = this.#deliveries.get(revision) ?? { count: 0, firstMs: nowMs, lastMs: nowMs };
    this.#deliveries.set(revision, { ...known, count: known.count + 1, lastMs: nowMs });
  }

  #report(revision: number): DeliveryReport {
    const known = this.#deliveries.get(revision);
    return { kind: 'delivered', ...(known ?? { count: 0, firstMs: Infinity, lastMs: 0 }) };
  }
}

const crowd = new CrowdProcess();
process.on('message', (command: CrowdCommand) => {
  crowd
    .handle(command)
    .catch((error: unknown): CrowdAnswer => ({ kind: 'failed', reason: String(error) }))
    .then((answer) => process.send?.(answer));
});
// Whoever commands it is gone.
process.once('disconnect', () => process.exit());
