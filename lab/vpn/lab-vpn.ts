import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import { hanseProgram } from './hanse-program.ts';
import { LabMaster } from './lab-master.ts';
import { LabMember } from './lab-member.ts';

export interface LabVpnSpec {
  readonly name: string;
  /** Each acts for one subset. The names are those of hosts. */
  readonly masters: readonly {
    readonly host: string;
    readonly subset: string;
    readonly backups?: readonly string[];
  }[];
  /** As `--store` takes it; a file beside the VPN unless said. */
  readonly store?: string;
  /** Further options of `hanse vpn create`. */
  readonly createOptions?: readonly string[];
}

export interface JoinOptions {
  /** What it is called; its host's name unless said. */
  readonly name?: string;
  /** An invite made before; a new one for one use unless said. */
  readonly token?: string;
  /** A data directory of an earlier membership, to be in several subsets at once. */
  readonly directory?: string;
}

const controlPort = 8443;
/** Long, because the machine may be busy with other tests. */
const joinTimeoutMs = 60_000;
const joined = /^(?<name>\S+) is in \S+: (?<ipv4>[\d.]+), (?<ipv6>[\da-f:]+)$/m;

/** A VPN in a lab. It ends with the lab. */
export class LabVpn {
  readonly name: string;
  readonly directory: string;
  readonly masters: readonly LabMaster[];
  readonly #lab: Lab;
  /** Options of the commands that use the store themselves. */
  readonly #storeOptions: readonly string[];

  private constructor(lab: Lab, spec: LabVpnSpec) {
    this.#lab = lab;
    this.#storeOptions = spec.store === undefined ? [] : ['--store', spec.store];
    this.name = spec.name;
    this.directory = join(lab.directory, 'vpn');
    this.masters = spec.masters.map(
      ({ host, subset }) =>
        new LabMaster({ name: host, node: lab.node(host), directory: this.directory, subset }),
    );
  }

  /** Makes the VPN, its masters and its subsets; starts nothing. */
  static async create(lab: Lab, spec: LabVpnSpec): Promise<LabVpn> {
    const vpn = new LabVpn(lab, spec);
    const createOptions = [...vpn.#storeOptions, ...(spec.createOptions ?? [])];
    await vpn.hanse(['vpn', 'create', spec.name, ...createOptions]);
    for (const { name, node } of vpn.masters) {
      const host = node.address('ipv4');
      await vpn.hanse([
        'master',
        'create',
        name,
        '--control',
        `${host}:${controlPort}`,
        '--wireguard-host',
        host,
        ...vpn.#storeOptions,
      ]);
    }
    for (const { host, subset, backups = [] } of spec.masters) {
      const backupOptions = backups.flatMap((backup) => ['--backup', backup]);
      const options = ['--acting', host, ...backupOptions, ...vpn.#storeOptions];
      await vpn.hanse(['subset', 'create', subset, ...options]);
    }
    return vpn;
  }

  /** @throws Error when there is none of that name */
  master(name: string): LabMaster {
    const master = this.masters.find((candidate) => candidate.name === name);
    if (master) return master;
    throw new Error(
      `the VPN has no master ${name}: it has ${this.masters.map((each) => each.name).join(', ')}`,
    );
  }

  async startMasters(): Promise<void> {
    await Promise.all(this.masters.map((master) => master.start()));
  }

  /** Runs a command as the operator, from the first master's host unless said. @throws HostError when it fails */
  async hanse(
    args: readonly string[],
    { timeoutMs = 60_000, on }: { readonly timeoutMs?: number; readonly on?: string } = {},
  ): Promise<string> {
    const [first] = this.masters;
    if (!first) throw new Error('a VPN has at least one master');
    const host = on === undefined ? first.node : this.#lab.node(on);
    const { stdout } = await host.run(
      'env',
      [`HANSE_DIR=${this.directory}`, hanseProgram, ...args],
      { timeoutMs },
    );
    return stdout;
  }

  /** Like `hanse`, for commands that print one JSON document. */
  async hanseJson(args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.hanse([...args, '--json']));
  }

  async invite(subset: string, options: readonly string[] = []): Promise<string> {
    return (await this.hanse(['invite', 'create', '--subset', subset, ...options])).trim();
  }

  /** Starts a member daemon on a host; resolves when it has joined and its tunnel is configured. */
  async join(host: string, subset: string, options: JoinOptions = {}): Promise<LabMember> {
    const { name = host, token = await this.invite(subset) } = options;
    const directory =
      options.directory ?? join(this.#lab.directory, 'members', `${name}.${subset}`);
    const node = this.#lab.node(host);
    const process = await node.start(hanseProgram, [
      'member',
      'join',
      token,
      '--name',
      name,
      '--dir',
      directory,
    ]);
    const { groups } = await process.waitForOutput(joined, joinTimeoutMs);
    const { ipv4 = '', ipv6 = '' } = groups ?? {};
    return new LabMember(
      { name: groups?.['name'] ?? name, subset, node, directory, ipv4, ipv6 },
      process,
    );
  }
}
