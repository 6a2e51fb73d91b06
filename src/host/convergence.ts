import type { HostState, InterfaceState } from '../model/host-state.ts';
import type { Family } from '../model/prefix.ts';
import { type AdoptionDependencies, type AppliedInterface, findInterfaces } from './adoption.ts';
import { type Filtered, formatRuleset } from './firewall/ruleset.ts';
import type { OwnerMark } from './interface-name.ts';
import { runIpBatch } from './link/ip-json.ts';
import { type LinkChanges, planLinkChanges } from './link/link-changes.ts';
import {
  collectRoutes,
  collectSourceRoutes,
  type InstalledRoute,
  planRouteChanges,
  type Routes,
  readRoutes,
  restoreIpv4Routes,
  routeKey,
} from './link/routes.ts';
import {
  assignTables,
  planRuleChanges,
  readSourceRules,
  type SourceRules,
  sourceRulesOf,
} from './link/source-rules.ts';
import { applyInterfaceSysctls } from './link/sysctl.ts';
import { createDevice, type DeviceDependencies, removeDevice } from './wireguard/device.ts';
import { applyPeers, type ConfiguredDevice } from './wireguard/device-peers.ts';

/** What an apply has left behind; the next one tells the difference to it. */
export interface AppliedHost {
  readonly interfaces: ReadonlyMap<string, AppliedInterface>;
  /** Of the main table, and of those of sources. */
  readonly routes: Routes;
  /** Undefined where the kernel has no policy routing. */
  readonly rules: SourceRules | undefined;
  /** What `nft` was told; undefined when our table may contain anything. */
  readonly ruleset: string | undefined;
}

export type ConvergenceDependencies = DeviceDependencies & AdoptionDependencies;

const timeoutMs = 10_000;

/** What there is when a run begins. */
interface Findings extends AppliedHost {
  /** Interfaces of ours that are not wanted, or not as they are. */
  readonly ended: readonly string[];
}

/** What decides where packets go, once all interfaces are as wanted. */
interface WantedWays {
  readonly main: Routes;
  readonly ofSources: Routes;
  readonly rules: SourceRules | undefined;
}

/**
 * One run from what is to what is wanted. The order keeps packets inside the rules at any moment:
 * what is no longer wanted goes first, then the rules change, then new interfaces come, and routes
 * last, when all that they lead to is there. Only an interface with a route that moves elsewhere
 * stays, within the rules, until the route has moved.
 */
export class Convergence {
  readonly #mark: OwnerMark;
  readonly #dependencies: ConvergenceDependencies;
  readonly #signal: AbortSignal;
  readonly #failures = new Map<string, unknown>();

  constructor(mark: OwnerMark, dependencies: ConvergenceDependencies, signal: AbortSignal) {
    this.#mark = mark;
    this.#dependencies = dependencies;
    this.#signal = signal;
  }

  /**
   * @param memory what the last run has left, if it went well
   * @throws HostError what went wrong first. An interface that fails does not keep the others from
   *   being brought up. After an error nobody knows what the machine is like: the next run must be
   *   given no memory.
   */
  async run(wanted: HostState, memory: AppliedHost | undefined): Promise<AppliedHost> {
    const before = await this.#look(wanted, memory);
    const ways = this.#planWays(wanted, before.rules);
    const { early, late } = planRemovals(before, wanted, ways.main);
    await this.#removeDevices(early);
    const interfaces = this.#working(wanted.interfaces);
    const interfaceNames = [...interfaces.map(({ name }) => name), ...late];
    const { gateway, sealing } = wanted;
    const ruleset = await this.#applyRuleset({ interfaceNames, gateway, sealing }, before.ruleset);
    await this.#forEach(interfaces, (state) => this.#ensureDevice(state, before, !!gateway));
    const changes = this.#planLinks(this.#working(interfaces), before);
    await this.#runIp(changes.flatMap(({ before: lines }) => lines));
    await this.#forgetNotes(this.#working(interfaces), before);
    const devices = await this.#applyPeers(this.#working(interfaces), before);
    // The kernel has taken the others away with their interfaces.
    const current = selectRoutes(before.routes, ({ device }) => !early.includes(device));
    const reachable = {
      ...ways,
      main: selectRoutes(ways.main, ({ device }) => devices.has(device)),
      ofSources: selectRoutes(ways.ofSources, ({ device }) => devices.has(device)),
    };
    const routes = new Map([...reachable.main, ...reachable.ofSources]);
    const ends = changes.flatMap(({ name, after, losesIpv4Routes }) => [
      ...after,
      // In the same batch, at once: packets are on their way.
      ...(losesIpv4Routes ? restoreIpv4Routes(name, routes) : []),
    ]);
    await this.#changeWays(current, before.rules, reachable, ends);
    await this.#removeDevices(late);
    this.#throwFailure();
    const { rules } = ways;
    return { interfaces: this.#remember(wanted, devices), routes, rules, ruleset };
  }

  #planWays({ interfaces, sources = [] }: HostState, current: SourceRules | undefined): WantedWays {
    const main = collectRoutes(interfaces);
    if (!current) return { main, ofSources: new Map(), rules: undefined };
    const tables = assignTables(sources, current, this.#mark.number);
    return { main, ofSources: collectSourceRoutes(tables), rules: sourceRulesOf(tables) };
  }

  /**
   * An address gets ways of its own before the main table can lead its packets elsewhere, and loses them
   * when the main table leads them where they should go. Without rules it is one batch.
   * @param ends what is to follow the main table at once
   */
  async #changeWays(
    current: Routes,
    currentRules: SourceRules = new Map(),
    { main, ofSources, rules = new Map() }: WantedWays,
    ends: readonly string[],
  ): Promise<void> {
    const isOfSource = ({ table }: { readonly table?: number }) => table !== undefined;
    const tables = planRouteChanges(selectRoutes(current, isOfSource), ofSources);
    const ways = planRouteChanges(
      selectRoutes(current, (route) => !isOfSource(route)),
      main,
    );
    const { added, ended } = planRuleChanges(currentRules, rules);
    const first = [...tables.replaced];
    if (added.size > 0) {
      await this.#runIp(first.splice(0));
      await this.#changeRules(added);
    }
    const last = ended.size === 0 ? tables.ended : [];
    await this.#runIp([...first, ...ways.replaced, ...ways.ended, ...ends, ...last]);
    if (ended.size === 0) return;
    await this.#changeRules(ended);
    await this.#runIp(tables.ended);
  }

  async #changeRules(changes: ReadonlyMap<Family, readonly string[]>): Promise<void> {
    for (const [family, lines] of changes) await this.#runIp(lines, family);
  }

  async #look(wanted: HostState, memory: AppliedHost | undefined): Promise<Findings> {
    const names = new Set(wanted.interfaces.map(({ name }) => name));
    const interfaces = new Map(memory?.interfaces);
    const ended = new Set([...interfaces.keys()].filter((name) => !names.has(name)));
    const unknown = wanted.interfaces.filter(({ name }) => !interfaces.has(name));
    if (memory === undefined || unknown.length > 0) {
      const found = await findInterfaces(unknown, this.#mark.alias, this.#dependencies);
      for (const [name, refusal] of found.refusals) this.#failures.set(name, refusal);
      for (const name of found.leftovers) if (!interfaces.has(name)) ended.add(name);
      for (const [name, state] of found.adopted) interfaces.set(name, state);
    }
    for (const name of ended) interfaces.delete(name);
    const devices = new Set([...interfaces.keys(), ...ended]);
    const routes = memory?.routes ?? (await this.#readRoutes(devices));
    const rules = memory
      ? memory.rules
      : await readSourceRules(this.#mark.number, this.#dependencies);
    return { interfaces, ended: [...ended], routes, rules, ruleset: memory?.ruleset };
  }

  async #readRoutes(devices: ReadonlySet<string>): Promise<Routes> {
    return devices.size === 0 ? new Map() : readRoutes(this.#dependencies.runner, devices);
  }

  async #removeDevices(names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => removeDevice(name, this.#dependencies)));
    if (names.length > 0) this.#dependencies.log.debug({ interfaces: names }, 'interfaces removed');
  }

  async #applyRuleset(filtered: Filtered, current: string | undefined): Promise<string> {
    const { tableName } = this.#mark;
    const ruleset = formatRuleset(filtered, { tableName, startOver: false });
    if (ruleset === current) return ruleset;
    const input = formatRuleset(filtered, { tableName, startOver: current === undefined });
    const options = { input, timeoutMs, signal: this.#signal };
    await this.#dependencies.runner.run('nft', ['-f', '-'], options);
    return ruleset;
  }

  async #ensureDevice(
    { name }: InterfaceState,
    before: AppliedHost,
    forwarding: boolean,
  ): Promise<void> {
    const current = before.interfaces.get(name);
    if (current === undefined) {
      await createDevice(name, this.#mark.alias, this.#dependencies);
      this.#dependencies.log.debug({ interface: name }, 'an interface was made');
    }
    if (current?.forwarding !== forwarding) await applyInterfaceSysctls(name, forwarding);
  }

  /** From now on the interfaces say themselves whose they are. */
  async #forgetNotes(interfaces: readonly InterfaceState[], before: AppliedHost): Promise<void> {
    const { alias } = this.#mark;
    const marked = interfaces.filter(
      ({ name }) => before.interfaces.get(name)?.link.alias !== alias,
    );
    await Promise.all(marked.map(({ name }) => this.#dependencies.notes.remove(name)));
  }

  async #applyPeers(
    interfaces: readonly InterfaceState[],
    before: AppliedHost,
  ): Promise<ReadonlyMap<string, ConfiguredDevice>> {
    const devices = new Map<string, ConfiguredDevice>();
    const options = { runner: this.#dependencies.runner, signal: this.#signal };
    await this.#forEach(interfaces, async (state) => {
      const device = before.interfaces.get(state.name)?.device ?? { peers: [] };
      devices.set(state.name, await applyPeers(state, device, options));
    });
    return devices;
  }

  #planLinks(
    interfaces: readonly InterfaceState[],
    before: AppliedHost,
  ): readonly (LinkChanges & { readonly name: string })[] {
    return interfaces.map((state) => {
      const { name } = state;
      const current = before.interfaces.get(name)?.link;
      return { name, ...planLinkChanges(name, current, this.#linkOf(state)) };
    });
  }

  #linkOf({ mtuBytes, addresses, linkLocal }: InterfaceState): AppliedInterface['link'] {
    const link = { alias: this.#mark.alias, isUp: true, mtuBytes, addresses };
    return linkLocal === undefined ? link : { ...link, linkLocal };
  }

  #runIp(lines: readonly string[], family?: Family): Promise<void> {
    const options = { signal: this.#signal, ...(family ? { family } : {}) };
    return runIpBatch(this.#dependencies.runner, lines, options);
  }

  /** All at once; whoever fails is left out of what follows. */
  async #forEach(
    interfaces: readonly InterfaceState[],
    action: (state: InterfaceState) => Promise<void>,
  ): Promise<void> {
    const attempt = (state: InterfaceState): Promise<void> =>
      action(state).catch((error: unknown) => void this.#failures.set(state.name, error));
    await Promise.all(interfaces.map(attempt));
    this.#signal.throwIfAborted();
  }

  #working(interfaces: readonly InterfaceState[]): readonly InterfaceState[] {
    return interfaces.filter(({ name }) => !this.#failures.has(name));
  }

  #throwFailure(): void {
    const [first, ...others] = this.#failures.values();
    for (const error of others)
      this.#dependencies.log.warn({ error }, 'a further interface failed');
    if (first !== undefined) throw first;
  }

  #remember(
    wanted: HostState,
    devices: ReadonlyMap<string, ConfiguredDevice>,
  ): ReadonlyMap<string, AppliedInterface> {
    const forwarding = wanted.gateway !== undefined;
    const interfaces = new Map<string, AppliedInterface>();
    for (const state of wanted.interfaces) {
      const device = devices.get(state.name);
      if (device) interfaces.set(state.name, { link: this.#linkOf(state), device, forwarding });
    }
    return interfaces;
  }
}

/** Which of the ended interfaces go before all else, and which only when their routes have moved. */
function planRemovals(
  { ended, routes }: Findings,
  wanted: HostState,
  wantedRoutes: Routes,
): { readonly early: readonly string[]; readonly late: readonly string[] } {
  const names = new Set(wanted.interfaces.map(({ name }) => name));
  const moving = new Set(
    [...routes.values()]
      .filter((route) => !names.has(route.device) && wantedRoutes.has(routeKey(route)))
      .map(({ device }) => device),
  );
  return {
    early: ended.filter((name) => !moving.has(name)),
    late: ended.filter((name) => moving.has(name)),
  };
}

function selectRoutes(routes: Routes, isWanted: (route: InstalledRoute) => boolean): Routes {
  return new Map([...routes].filter(([, route]) => isWanted(route)));
}
