import { families, familyOf } from '../../model/prefix.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import type { Log } from '../../runtime/log.ts';
import { HostError, stderrOf } from '../host-error.ts';
import { readWay } from '../link/way.ts';
import type { Runner } from '../runner.ts';
import { ForwardingGuard } from './forwarding-guard.ts';
import { findForwardDrop, parseInterfaces, parseTraffic } from './relay-listing.ts';
import {
  formatClosing,
  formatGuard,
  formatOpening,
  formatRemoval,
  formatTable,
  type GuardedInterface,
  guardedSets,
  type KernelPair,
  sourceMaps,
} from './relay-table.ts';
import type { RelayCarrier, RelayedPair, RelayedTraffic } from './relayed-pair.ts';

export interface KernelRelayOptions {
  /** See `relayTableName`. */
  readonly tableName: string;
  /** How many ports pairs can have. */
  readonly ports: number;
}

export interface KernelRelayDependencies {
  readonly runner: Runner;
  readonly log: Log;
}

const timeoutMs = 10_000;

/**
 * Why the kernel of this machine cannot relay; undefined when it can. Somebody else's filter that
 * drops what is forwarded by default is a reason, since nothing here can tell what its rules let
 * through.
 *
 * @throws HostError `unreadable-output`
 */
export async function findObstacle(
  options: KernelRelayOptions,
  runner: Runner,
): Promise<string | undefined> {
  const input = formatTable({ ...options, pairs: [], guarded: [] });
  try {
    await runner.run('nft', ['--check', '-f', '-'], { input, timeoutMs });
    const { stdout } = await runner.run('nft', ['-j', 'list', 'chains'], { timeoutMs });
    const chain = findForwardDrop(stdout);
    return chain && `the nftables chain ${chain} drops what is forwarded`;
  } catch (error) {
    if (!(error instanceof HostError) || error.code === 'unreadable-output') throw error;
    return error.message;
  }
}

/**
 * A relay of nftables rules: no datagram comes into this process. Changes that come while others are
 * being made are made together.
 */
export class KernelRelay implements RelayCarrier {
  readonly #options: KernelRelayOptions;
  readonly #runner: Runner;
  readonly #log: Log;
  readonly #guard: ForwardingGuard;
  readonly #pairs = new Map<string, KernelPair>();
  readonly #loop = new LatestLoop(() => this.#change());
  /** For the next run of the loop. */
  #lines: string[] = [];
  /** Whether the table has what we remember, apart from those lines. */
  #isIntact = true;

  /** Begins with an empty table. @throws HostError `command-failed`, `unreadable-output` */
  static async create(
    options: KernelRelayOptions,
    dependencies: KernelRelayDependencies,
  ): Promise<KernelRelay> {
    const left = await readGuarded(options.tableName, dependencies.runner);
    const relay = new KernelRelay(options, dependencies, left);
    await relay.#makeTable();
    return relay;
  }

  private constructor(
    options: KernelRelayOptions,
    { runner, log }: KernelRelayDependencies,
    left: readonly GuardedInterface[],
  ) {
    this.#options = options;
    this.#runner = runner;
    this.#log = log;
    this.#guard = new ForwardingGuard(left);
  }

  /**
   * @returns false for a pair from one family to the other, with an end on this machine, or over IPv6
   *   where a kernel forwards by all interfaces or by none
   * @throws HostError `no-route`, `command-failed`
   */
  async open(pair: RelayedPair): Promise<boolean> {
    const family = familyOf(pair.first.address);
    if (family !== familyOf(pair.second.address)) return false;
    const ends = [pair.first, pair.second];
    const ways = await Promise.all(ends.map(({ address }) => readWay(address, this.#runner)));
    const [first, second] = ways.map(({ source }) => source);
    if (first === undefined || second === undefined) return false;
    for (const { device } of ways) {
      if (device === 'lo' || !(await this.#guard.canForward(device, family))) return false;
    }
    await this.#prepareForwarding(ways.map(({ device }) => ({ name: device, family })));
    await this.#add({ ...pair, family, sources: { first, second } });
    return true;
  }

  async close(id: string): Promise<void> {
    const pair = this.#pairs.get(id);
    this.#pairs.delete(id);
    if (pair) this.#lines.push(...formatClosing(this.#options.tableName, pair));
    await this.#loop.request();
  }

  async readTraffic(): Promise<ReadonlyMap<string, RelayedTraffic>> {
    const { tableName } = this.#options;
    const byPort = new Map<number, RelayedTraffic>();
    for (const family of families) {
      const text = await tryList(this.#runner, 'map', { tableName, name: sourceMaps[family] });
      if (text === undefined) await this.#restore();
      else for (const [port, traffic] of parseTraffic(text)) byPort.set(port, traffic);
    }
    return new Map([...this.#pairs.values()].map((pair) => [pair.id, sumOf(pair, byPort)]));
  }

  /** Takes all of it out of the kernel. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#pairs.clear();
    this.#lines = [];
    await this.#guard.shut();
    await remove(this.#options.tableName, this.#runner);
  }

  /** What forwards from now on is guarded before it does; others may be about to prepare others. */
  async #prepareForwarding(interfaces: readonly GuardedInterface[]): Promise<void> {
    const { tableName } = this.#options;
    for (const entry of await this.#guard.release())
      this.#lines.push(formatGuard('delete', tableName, entry));
    for (const entry of interfaces)
      if (await this.#guard.guard(entry)) this.#lines.push(formatGuard('add', tableName, entry));
    await this.#loop.request();
    await this.#guard.open(interfaces);
  }

  async #add(pair: KernelPair): Promise<void> {
    this.#pairs.set(pair.id, pair);
    this.#lines.push(...formatOpening(this.#options.tableName, pair));
    try {
      await this.#loop.request();
    } catch (error) {
      this.#pairs.delete(pair.id);
      throw error;
    }
  }

  async #change(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
    if (this.#isIntact && (await this.#tryLines(lines))) return;
    this.#isIntact = false;
    await this.#makeTable();
    this.#isIntact = true;
  }

  /** For when there is no table any more: a firewall that is loaded anew empties all rules. */
  async #restore(): Promise<void> {
    this.#log.warn({ table: this.#options.tableName }, 'the table of the relay is gone');
    this.#isIntact = false;
    await this.#loop.request();
  }

  /** @returns false when the table is not as we remember it */
  async #tryLines(lines: readonly string[]): Promise<boolean> {
    if (lines.length === 0) return true;
    try {
      await this.#runner.run('nft', ['-f', '-'], { input: `${lines.join('\n')}\n`, timeoutMs });
      return true;
    } catch (error) {
      this.#log.warn({ error }, 'the table of the relay is made anew');
      return false;
    }
  }

  async #makeTable(): Promise<void> {
    const input = formatTable({
      ...this.#options,
      pairs: this.#pairs.values(),
      guarded: this.#guard.guarded,
    });
    await this.#runner.run('nft', ['-f', '-'], { input, timeoutMs });
  }
}

/** Takes away what a process that was killed has left. @throws HostError `command-failed` */
export async function removeLeftRelay(tableName: string, runner: Runner): Promise<void> {
  await new ForwardingGuard(await readGuarded(tableName, runner)).shut();
  await remove(tableName, runner);
}

async function remove(tableName: string, runner: Runner): Promise<void> {
  await runner.run('nft', ['-f', '-'], { input: formatRemoval(tableName), timeoutMs });
}

async function readGuarded(
  tableName: string,
  runner: Runner,
): Promise<readonly GuardedInterface[]> {
  const guarded: GuardedInterface[] = [];
  for (const family of families) {
    const text = await tryList(runner, 'set', { tableName, name: guardedSets[family] });
    for (const name of text === undefined ? [] : parseInterfaces(text))
      guarded.push({ name, family });
  }
  return guarded;
}

/** Undefined when there is no such table. */
async function tryList(
  runner: Runner,
  kind: 'map' | 'set',
  { tableName, name }: { readonly tableName: string; readonly name: string },
): Promise<string | undefined> {
  const args = ['-j', 'list', kind, 'inet', tableName, name];
  try {
    return (await runner.run('nft', args, { timeoutMs })).stdout;
  } catch (error) {
    if (/No such file or directory/.test(stderrOf(error))) return undefined;
    throw error;
  }
}

function sumOf(
  { first, second }: KernelPair,
  byPort: ReadonlyMap<number, RelayedTraffic>,
): RelayedTraffic {
  const none = { packets: 0, bytes: 0 };
  const [one, other] = [byPort.get(first.port) ?? none, byPort.get(second.port) ?? none];
  return { packets: one.packets + other.packets, bytes: one.bytes + other.bytes };
}
