import { setTimeout as delay } from 'node:timers/promises';
import type { EtcdCluster } from '../../lab/etcd/etcd-cluster.ts';
import type { MembershipLoad } from '../../test/support/load/membership-load.ts';
import type { SeededRandom } from '../../test/support/load/seeded-random.ts';
import type { MasterProcess } from '../bed/master-process.ts';
import type { VpnBed } from '../bed/vpn-bed.ts';
import { waitUntil } from '../bed/wait-until.ts';

export interface AssaultOptions {
  readonly bed: VpnBed;
  readonly etcd: EtcdCluster;
  readonly subset: string;
  /** All of those that serve the subset, the acting one first. */
  readonly masters: readonly string[];
  readonly load: MembershipLoad;
  readonly random: SeededRandom;
}

/** Before a kill, so that it hits anything that is under way. */
const longestPauseMs = 500;
/** So many changes show that somebody acts again. */
const recoveredChanges = 5;
const recoverTimeoutMs = 60_000;

/** Kills the acting master or etcd's leader, and starts it again when others have taken over. */
export class Assault implements AsyncDisposable {
  readonly #options: AssaultOptions;
  readonly #running = new Map<string, MasterProcess>();
  #masterKills = 0;
  #leaderKills = 0;

  private constructor(options: AssaultOptions) {
    this.#options = options;
  }

  /** Starts the masters. */
  static async begin(options: AssaultOptions): Promise<Assault> {
    const assault = new Assault(options);
    for (const [index, name] of options.masters.entries())
      await assault.#start(name, index === 0 ? [options.subset] : []);
    return assault;
  }

  /** Resolves when changes are made again and what was killed runs again. */
  async kill(): Promise<void> {
    const { random } = this.#options;
    await delay(random.upTo(longestPauseMs));
    await (random.next() < 0.5 ? this.#killActing() : this.#killLeader());
  }

  describe(): string {
    return `${this.#masterKills} kills of acting masters and ${this.#leaderKills} of etcd’s leaders`;
  }

  async #killActing(): Promise<void> {
    const acting = await this.#acting();
    this.#masterKills += 1;
    await acting.crash();
    await this.#untilRecovered();
    await this.#start(acting.name, []);
  }

  async #killLeader(): Promise<void> {
    const leader = await this.#options.etcd.leader();
    this.#leaderKills += 1;
    await leader.kill();
    await this.#untilRecovered();
    await leader.restart();
  }

  async #start(name: string, actingFor: readonly string[]): Promise<void> {
    this.#running.set(name, await this.#options.bed.startMaster(name, actingFor));
  }

  #acting(): Promise<MasterProcess> {
    return waitUntil('a master acts', recoverTimeoutMs, async () => {
      for (const master of this.#running.values()) if (await this.#isActing(master)) return master;
      return undefined;
    });
  }

  async #isActing(master: MasterProcess): Promise<boolean> {
    const { subsets } = await master.status();
    return subsets.some(({ name, role }) => name === this.#options.subset && role === 'acting');
  }

  async #untilRecovered(): Promise<void> {
    const { load } = this.#options;
    const enough = load.count + recoveredChanges;
    await waitUntil('changes are made again', recoverTimeoutMs, async () =>
      load.count >= enough ? true : undefined,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((master) => master.stop()));
  }
}
