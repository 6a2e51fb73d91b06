import { setTimeout as delay } from 'node:timers/promises';
import { memberAddress } from '../bed/master-network.ts';
import type {
  CrowdAnswer,
  CrowdCommand,
  DeliveryReport,
  JoinReport,
  PresenceReport,
  RenewalReport,
} from './crowd-protocol.ts';
import { monotonicMs } from './monotonic-ms.ts';
import { SimulatedMember } from './simulated-member.ts';

type CommandOf<Kind extends CrowdCommand['kind']> = Extract<CrowdCommand, { kind: Kind }>;

/** More than any has, so that no two come from one address. */
const membersPerCrowd = 8_000;

/** The members of this process, and when each key reached them. */
class CrowdProcess {
  readonly #prepared: SimulatedMember[] = [];
  readonly #staying: SimulatedMember[] = [];
  readonly #deliveries = new Map<number, { count: number; firstMs: number; lastMs: number }>();
  #introductions = 0;
  readonly #presence = { lost: 0, found: 0, lastFoundMs: 0 };

  async handle(command: CrowdCommand): Promise<CrowdAnswer> {
    if (command.kind === 'prepare') return this.#prepare(command);
    if (command.kind === 'join') return this.#join(command);
    if (command.kind === 'presence') return this.#reportPresence();
    if (command.kind === 'introductions') return { kind: 'introduced', count: this.#introductions };
    if (command.kind === 'renew') return this.#renew(command);
    if (command.kind === 'fetch-tickets') return this.#fetchTickets(command);
    return this.#report(command.epoch);
  }

  #prepare(command: CommandOf<'prepare'>): CrowdAnswer {
    const { target, count, namePrefix, crowd, comeBack, takesDirect } = command;
    const onIntroduced = () => {
      this.#introductions += 1;
    };
    const presence = {
      lost: () => {
        this.#presence.lost += 1;
      },
      found: () => {
        this.#presence.found += 1;
        this.#presence.lastFoundMs = monotonicMs();
      },
    };
    for (let index = 0; index < count; index += 1) {
      this.#prepared.push(
        new SimulatedMember({
          name: `${namePrefix}-${index}`,
          target,
          sourceAddress: memberAddress(crowd * membersPerCrowd + index),
          onKey: (epoch) => this.#noteDelivery(epoch),
          ...(comeBack ? { presence } : {}),
          ...(takesDirect ? { onIntroduced } : {}),
        }),
      );
    }
    return { kind: 'prepared' };
  }

  async #join(command: CommandOf<'join'>): Promise<JoinReport> {
    const { token, count, inFlight, stay } = command;
    const members = this.#prepared.splice(0, count);
    const joining = [...members];
    const latenciesMs: number[] = [];
    let retries = 0;
    const startedMs = monotonicMs();
    const joinNext = async (): Promise<void> => {
      for (let member = members.shift(); member; member = members.shift()) {
        const beforeMs = monotonicMs();
        retries += await member.join(token);
        latenciesMs.push(monotonicMs() - beforeMs);
        if (stay) this.#staying.push(member);
        else member.disconnect();
      }
    };
    await Promise.all(Array.from({ length: inFlight }, joinNext));
    const names = joining.map(({ name }) => name);
    const addresses = joining.flatMap(({ place }) => place?.ipv4 ?? []);
    return {
      kind: 'joined',
      names,
      addresses,
      startedMs,
      endedMs: monotonicMs(),
      latenciesMs,
      retries,
    };
  }

  async #fetchTickets({ inFlight }: CommandOf<'fetch-tickets'>): Promise<CrowdAnswer> {
    const members = [...this.#staying];
    const fetchNext = async (): Promise<void> => {
      for (let member = members.shift(); member; member = members.shift())
        await member.fetchTicket();
    };
    await Promise.all(Array.from({ length: inFlight }, fetchNext));
    return { kind: 'tickets-fetched' };
  }

  #noteDelivery(epoch: number): void {
    const nowMs = monotonicMs();
    const known = this.#deliveries.get(epoch) ?? { count: 0, firstMs: nowMs, lastMs: nowMs };
    this.#deliveries.set(epoch, { ...known, count: known.count + 1, lastMs: nowMs });
  }

  #report(epoch: number): DeliveryReport {
    const known = this.#deliveries.get(epoch);
    return { kind: 'delivered', ...(known ?? { count: 0, firstMs: Infinity, lastMs: 0 }) };
  }

  #reportPresence(): PresenceReport {
    return { kind: 'present', ...this.#presence };
  }

  /** Asks at its pace, whether the answer to the one before is there or not. */
  async #renew({ everyMs, forMs }: CommandOf<'renew'>): Promise<RenewalReport> {
    const asked: Promise<number>[] = [];
    const startedMs = monotonicMs();
    for (let dueMs = startedMs; dueMs < startedMs + forMs; dueMs += everyMs) {
      await delay(Math.max(0, dueMs - monotonicMs()));
      const member = this.#staying[asked.length % this.#staying.length];
      if (member) asked.push(member.renew());
    }
    const all = await Promise.all(asked);
    const latenciesMs = all.filter(Number.isFinite);
    return { kind: 'renewed', latenciesMs, unanswered: all.length - latenciesMs.length };
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
