import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { getPriority, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { cpuSecondsOf } from '../bed/process-usage.ts';
import type { VpnBed } from '../bed/vpn-bed.ts';
import { waitUntil } from '../bed/wait-until.ts';
import type {
  CrowdAnswer,
  CrowdCommand,
  JoinReport,
  PresenceReport,
  RenewalReport,
} from './crowd-protocol.ts';
import { targetOf } from './crowd-target.ts';

/** When all had got a key. */
export interface Delivery {
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface PrepareOptions {
  readonly bed: VpnBed;
  /** Where they join: the first one that takes them. */
  readonly masters: readonly string[];
  readonly count: number;
  /** Whether they look for another session when they have lost one; not unless said. */
  readonly comeBack?: boolean;
  /** Whether they say how they are reached directly; not unless said. */
  readonly takesDirect?: boolean;
}

export interface JoinOptions {
  readonly token: string;
  readonly count: number;
  readonly inFlight: number;
  readonly stay: boolean;
}

/** As `nice` counts: so many steps below this process. */
const yieldingSteps = 10;
const lowestPriority = 19;

/** Numbers the crowds of this process: names and source addresses must differ. */
let started = 0;

/** Simulated members in a process of their own. */
export class Crowd implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #number: number;
  #batches = 0;

  constructor() {
    started += 1;
    this.#number = started;
    const entry = fileURLToPath(new URL('crowd-process.ts', import.meta.url));
    this.#child = fork(entry, { execArgv: ['--max-old-space-size=8192'] });
  }

  /** Makes members that will join. */
  async prepare({ bed, masters, count, ...how }: PrepareOptions): Promise<void> {
    this.#batches += 1;
    const namePrefix = `m${this.#number}-${this.#batches}`;
    const target = targetOf(bed.profile, masters);
    const crowd = this.#number;
    const { comeBack = false, takesDirect = false } = how;
    const named = { namePrefix, crowd, comeBack, takesDirect };
    await this.#ask('prepared', { kind: 'prepare', target, count, ...named });
  }

  join(options: JoinOptions): Promise<JoinReport> {
    return this.#ask('joined', { kind: 'join', ...options });
  }

  /** How many have been told of the key, and when. */
  deliveries(epoch: number): Promise<Delivery & { readonly count: number }> {
    return this.#ask('delivered', { kind: 'deliveries', epoch });
  }

  /** How many have lost a session and found another one, since they joined. */
  presence(): Promise<PresenceReport> {
    return this.#ask('present', { kind: 'presence' });
  }

  /** How often any of them was told of another. */
  async introductions(): Promise<number> {
    return (await this.#ask('introduced', { kind: 'introductions' })).count;
  }

  /** Those that stay renew their certificates at a steady pace. Resolves when all is answered. */
  renew(pace: { readonly everyMs: number; readonly forMs: number }): Promise<RenewalReport> {
    return this.#ask('renewed', { kind: 'renew', ...pace });
  }

  /** Those that stay get a ticket each of the master to which they would turn next. */
  async fetchTickets(inFlight: number): Promise<void> {
    await this.#ask('tickets-fetched', { kind: 'fetch-tickets', inFlight });
  }

  /** From now on masters come first: elsewhere they would not share a machine with their members. */
  yieldToMasters(): void {
    setPriority(this.#pid, Math.min(lowestPriority, getPriority() + yieldingSteps));
  }

  cpuSeconds(): Promise<number> {
    return cpuSecondsOf(this.#pid);
  }

  get #pid(): number {
    if (this.#child.pid === undefined) throw new Error('the crowd was not started');
    return this.#child.pid;
  }

  async #ask<Kind extends CrowdAnswer['kind']>(
    kind: Kind,
    command: CrowdCommand,
  ): Promise<Extract<CrowdAnswer, { kind: Kind }>> {
    this.#child.send(command);
    const [answer] = (await once(this.#child, 'message')) as [CrowdAnswer];
    if (answer.kind === kind) return answer as Extract<CrowdAnswer, { kind: Kind }>;
    throw new Error(answer.kind === 'failed' ? answer.reason : `the crowd answered ${answer.kind}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

/** Waits until so many members of all crowds together have been told of the key. */
export async function delivered(
  crowds: readonly Crowd[],
  epoch: number,
  count: number,
): Promise<Delivery> {
  return waitUntil(`${count} members are told of the key of epoch ${epoch}`, 30_000, async () => {
    const reports = await Promise.all(crowds.map((crowd) => crowd.deliveries(epoch)));
    if (reports.reduce((sum, report) => sum + report.count, 0) < count) return undefined;
    return {
      firstMs: Math.min(...reports.map(({ firstMs }) => firstMs)),
      lastMs: Math.max(...reports.map(({ lastMs }) => lastMs)),
    };
  });
}
