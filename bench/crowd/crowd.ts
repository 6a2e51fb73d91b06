import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { hostOf, portOf } from '../../src/model/endpoint.ts';
import { dnsNameOf, parseMasterName } from '../../src/model/names.ts';
import type { VpnBed } from '../bed/vpn-bed.ts';
import { waitUntil } from '../bed/wait-until.ts';
import type { CrowdAnswer, CrowdCommand, CrowdTarget, JoinReport } from './crowd-protocol.ts';

/** When all had got a revision. */
export interface Delivery {
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface JoinOptions {
  readonly token: string;
  readonly count: number;
  readonly inFlight: number;
  readonly stay: boolean;
}

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

  /** Makes members that will join at this master. */
  async prepare(bed: VpnBed, master: string, count: number): Promise<void> {
    this.#batches += 1;
    const namePrefix = `m${this.#number}-${this.#batches}`;
    const target = targetOf(bed, master);
    await this.#ask({ kind: 'prepare', target, count, namePrefix, crowd: this.#number });
  }

  async join(options: JoinOptions): Promise<JoinReport> {
    const answer = await this.#ask({ kind: 'join', ...options });
    if (answer.kind === 'joined') return answer;
    throw new Error(`the crowd answered ${answer.kind}`);
  }

  /** How many have been told of the revision, and when. */
  async deliveries(revision: number): Promise<Delivery & { readonly count: number }> {
    const answer = await this.#ask({ kind: 'deliveries', revision });
    if (answer.kind === 'delivered') return answer;
    throw new Error(`the crowd answered ${answer.kind}`);
  }

  async #ask(command: CrowdCommand): Promise<CrowdAnswer> {
    this.#child.send(command);
    const [answer] = (await once(this.#child, 'message')) as [CrowdAnswer];
    if (answer.kind === 'failed') throw new Error(answer.reason);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.disconnect();
    await exited;
  }
}

/** Waits until so many members of all crowds together have been told of the revision. */
export async function delivered(
  crowds: readonly Crowd[],
  revision: number,
  count: number,
): Promise<Delivery> {
  return waitUntil(`${count} members are told of revision ${revision}`, 30_000, async () => {
    const reports = await Promise.all(crowds.map((crowd) => crowd.deliveries(revision)));
    if (reports.reduce((sum, report) => sum + report.count, 0) < count) return undefined;
    return {
      firstMs: Math.min(...reports.map(({ firstMs }) => firstMs)),
      lastMs: Math.max(...reports.map(({ lastMs }) => lastMs)),
    };
  });
}

function targetOf(bed: VpnBed, name: string): CrowdTarget {
  const { profile } = bed;
  const control = bed.controlOf(name);
  return {
    host: hostOf(control),
    port: portOf(control),
    dnsName: dnsNameOf({ kind: 'master', vpn: profile.vpn, name: parseMasterName(name) }),
    rootCertificate: profile.rootCertificate,
  };
}
