import { join } from 'node:path';
import { createRunner, type Runner } from '../src/host/runner.ts';
import { LabError } from './lab-error.ts';
import { LabProcess } from './lab-process.ts';
import { killProcessesInside, namespaceOf } from './namespaces.ts';
import { renderNatRules } from './nat-rules.ts';
import { type PingOptions, type PingResult, ping } from './ping.ts';
import type { NodePlan } from './plan.ts';
import { identifyProcess } from './process-table.ts';

export interface LabNodeDependencies {
  readonly labId: string;
  /** Where the outputs of its programs go. */
  readonly directory: string;
}

export interface LabRunOptions {
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** Default 30,000. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 30_000;

const removeKernelTunnels =
  'ip -o link show type wireguard | cut -d: -f2 | while read -r name; do ip link delete "$name"; done';

/** A host, a router or the core of a living lab. */
export class LabNode {
  readonly name: string;
  /** As `ip netns` knows it. */
  readonly namespace: string;
  /** Runs programs inside, for code that takes a runner. */
  readonly runner: Runner;
  #plan: NodePlan;
  readonly #directory: string;
  #started = 0;
  /** The zone that conntrack is in; the node was built with the first. */
  #zone = 1;

  constructor(plan: NodePlan, { labId, directory }: LabNodeDependencies) {
    this.name = plan.name;
    this.namespace = namespaceOf(labId, plan.name);
    this.runner = createRunner({ networkNamespace: this.namespace });
    this.#plan = plan;
    this.#directory = directory;
  }

  /** What a person types to be inside. */
  get shellCommand(): string {
    return `ip netns exec ${this.namespace} bash`;
  }

  /**
   * Under which others reach it: a router's is that of its uplink.
   * @throws LabError `unknown-node` when it has none of that family
   */
  address(family: 'ipv4' | 'ipv6'): string {
    const address = this.#plan.addresses[family];
    if (address) return address.ip;
    throw new LabError(`${this.name} has no ${family} address in this topology`, {
      code: 'unknown-node',
      fields: { name: this.name, known: Object.keys(this.#plan.addresses) },
    });
  }

  /** Of all families that it has. */
  get addresses(): readonly string[] {
    return Object.values(this.#plan.addresses).map(({ ip }) => ip);
  }

  /** Runs a program to its end. @throws HostError as the host's runner does */
  async run(
    command: string,
    args: readonly string[],
    options: LabRunOptions = {},
  ): Promise<{ readonly stdout: string }> {
    return this.runner.run(command, args, { timeoutMs: defaultTimeoutMs, ...options });
  }

  /** Starts a program that runs until it is stopped, or until the lab is removed. */
  async start(
    command: string,
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>> } = {},
  ): Promise<LabProcess> {
    this.#started += 1;
    const logPath = join(this.#directory, `${this.name}-${this.#started}.log`);
    const started = await this.runner.start(command, args, { logPath, ...options });
    return new LabProcess(started, await identifyProcess(started.pid), logPath);
  }

  /**
   * The machine dies: no program of it runs any more, and what the programs carried is gone with
   * them, tunnels of the kernel's WireGuard too. Its links stay as they are; start its programs again
   * to boot it.
   */
  async crash(): Promise<void> {
    await killProcessesInside(this.namespace);
    await this.run('sh', ['-c', removeKernelTunnels]);
  }

  /**
   * The NAT has lost its memory, as after a power cut: all mappings are gone, and with them whom they
   * admitted. What hosts send from then on makes new ones; those of a `symmetric` NAT are others.
   * @throws LabError `no-nat` when the node has none
   */
  async forgetMappings(): Promise<void> {
    const { nat } = this.#plan;
    if (!nat) {
      throw new LabError(`${this.name} has no NAT that could forget`, {
        code: 'no-nat',
        fields: { name: this.name },
      });
    }
    this.#zone += 1;
    await this.run('nft', ['-f', '-'], { input: renderNatRules(nat, this.#zone) });
  }

  /** For `Lab.roam`, which makes it so on the machine: from now on the node has these addresses. */
  settle(plan: NodePlan): void {
    this.#plan = plan;
  }

  /** Sends echo requests from here. Never throws because of silence: see the result. */
  ping(address: string, options: PingOptions = {}): Promise<PingResult> {
    return ping(this.runner, address, options);
  }
}
