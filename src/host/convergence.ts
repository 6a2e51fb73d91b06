import type { HostState, InterfaceState } from '../model/host-state.ts';
import { type AdoptionDependencies, type AppliedInterface, findInterfaces } from './adoption.ts';
import { formatRuleset } from './firewall/ruleset.ts';
import type { OwnerMark } from './interface-name.ts';
import { runIpBatch } from './link/ip-json.ts';
import { type LinkChanges, planLinkChanges } from './link/link-changes.ts';
import { collectRoutes, planRouteChanges, type Routes, readRoutes } from './link/routes.ts';
import { applyInterfaceSysctls } from './link/sysctl.ts';
import { createDevice, type DeviceDependencies, removeDevice } from './wireguard/device.ts';
import { applyPeers, type ConfiguredDevice } from './wireguard/device-peers.ts';

/** What an apply has left behind; the next one tells the difference to it. */
export interface AppliedHost {
  readonly interfaces: ReadonlyMap<string, AppliedInterface>;
  readonly routes: Routes;
  /** What `nft` was told; undefined when our table may contain anything. */
  readonly ruleset: string | undefined;
}

export type ConvergenceDependencies = DeviceDependencies & AdoptionDependencies;

const timeoutMs = 10_000;

/**
 * One run from what is to what is wanted. The order keeps packets inside the rules at any moment:
 * what is no longer wanted goes first, then the rules change, then new interfaces come, and routes
 * last, when all that they lead to is there.
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
    const routes = collectRoutes(wanted.interfaces);
    const before = await this.#look(wanted, memory);
    const interfaces = wanted.interfaces.filter(({ name }) => !this.#failures.has(name));
    const ruleset = await this.#applyRuleset({ ...wanted, interfaces }, memory);
    const forwarding = wanted.gateway !== undefined;
    await this.#forEach(interfaces, (state) => this.#ensureDevice(state, before, forwarding));
    const changes = this.#planLinks(this.#working(interfaces), before);
    await this.#runIp(changes.before);
    const devices = new Map<string, ConfiguredDevice>();
    await this.#forEach(this.#working(interfaces), async (state) => {
      const device = before.interfaces.get(state.name)?.device ?? { peers: new Map() };
      const options = { runner: this.#dependencies.runner, signal: this.#signal };
      devices.set(state.name, await applyPeers(state, device, options));
    });
    const reachable = new Map([...routes].filter(([, { device }]) => devices.has(device)));
    await this.#runIp([...planRouteChanges(before.routes, reachable), ...changes.after]);
    this.#throwFailure();
    return { interfaces: this.#remember(wanted, devices), routes, ruleset };
  }

  /** Finds out what there is, and takes away what is not wanted. */
  async #look(wanted: HostState, memory: AppliedHost | undefined): Promise<AppliedHost> {
    const names = new Set(wanted.interfaces.map(({ name }) => name));
    const known = memory?.interfaces ?? new Map<string, AppliedInterface>();
    const unknown = wanted.interfaces.filter(({ name }) => !known.has(name));
    const ended = [...known.keys()].filter((name) => !names.has(name));
    const kept = new Map([...known].filter(([name]) => names.has(name)));
    if (memory === undefined || unknown.length > 0) {
      const found = await findInterfaces(unknown, this.#mark.alias, this.#dependencies);
      for (const [name, refusal] of found.refusals) this.#failures.set(name, refusal);
      for (const [name, state] of found.adopted) kept.set(name, state);
      ended.push(...found.leftovers.filter((name) => !kept.has(name) && !ended.includes(name)));
    }
    await Promise.all(ended.map((name) => this.#removeDevice(name)));
    const remaining = memory?.routes ?? (await this.#readRoutes(kept));
    const routes = new Map([...remaining].filter(([, { device }]) => kept.has(device)));
    return { interfaces: kept, routes, ruleset: memory?.ruleset };
  }

  #readRoutes(interfaces: ReadonlyMap<string, AppliedInterface>): Promise<Routes> | Routes {
    if (interfaces.size === 0) return new Map();
    return readRoutes(this.#dependencies.runner, new Set(interfaces.keys()));
  }

  async #removeDevice(name: string): Promise<void> {
    await removeDevice(name, this.#dependencies);
    this.#dependencies.log.debug({ interface: name }, 'an interface was removed');
  }

  async #applyRuleset(wanted: HostState, memory: AppliedHost | undefined): Promise<string> {
    const { tableName } = this.#mark;
    const ruleset = formatRuleset(wanted, { tableName, startOver: false });
    if (ruleset === memory?.ruleset) return ruleset;
    const startOver = memory?.ruleset === undefined;
    const input = formatRuleset(wanted, { tableName, startOver });
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

  #planLinks(interfaces: readonly InterfaceState[], before: AppliedHost): LinkChanges {
    const changes = interfaces.map((state) =>
      planLinkChanges(state.name, before.interfaces.get(state.name)?.link, this.#linkOf(state)),
    );
    return {
      before: changes.flatMap((change) => change.before),
      after: changes.flatMap((change) => change.after),
    };
  }

  #linkOf({ mtuBytes, addresses }: InterfaceState): AppliedInterface['link'] {
    return { alias: this.#mark.alias, isUp: true, mtuBytes, addresses };
  }

  #runIp(lines: readonly string[]): Promise<void> {
    return runIpBatch(this.#dependencies.runner, lines, this.#signal);
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
    for (const err of others) this.#dependencies.log.warn({ err }, 'a further interface failed');
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
