import { join } from 'node:path';
import { EtcdCluster } from '../../lab/etcd/etcd-cluster.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { LabMaster } from '../../lab/vpn/lab-master.ts';
import type { LabMember } from '../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../lab/vpn/lab-vpn.ts';
import { callLocal } from '../../src/api/client/local-client.ts';
import { localStatus } from '../../src/api/member-local.ts';
import { waitUntil } from '../bed/wait-until.ts';

/** The subset whose acting master fails, again and again. */
export const failing = 'north';
const etcdHosts = ['etcd-1', 'etcd-2', 'etcd-3'] as const;
/** The masters that serve the failing subset, its home master first. */
export const servingHosts = ['one', 'two', 'three'] as const;
/** Acts for another subset and is never hurt; operators work from its machine. */
export const witness = 'four';
const masterHosts = [...servingHosts, witness] as const;
/** Nobody returns home while it is measured. */
const neverSettles = ['--settle', '1h'];
const warmTimeoutMs = 120_000;
/** Two members have three masters each, the third has one. */
const tunnelCount = 7;

/**
 * A subset with three masters, another with a master of its own, and etcd with its default timing:
 * each on a machine of its own.
 */
export class FailoverBed implements AsyncDisposable {
  readonly lab: Lab;
  readonly etcd: EtcdCluster;
  readonly vpn: LabVpn;
  /** Two members of the failing subset and one of the other. */
  readonly members: {
    readonly near: LabMember;
    readonly neighbour: LabMember;
    readonly far: LabMember;
  };
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: Pick<FailoverBed, 'lab' | 'etcd' | 'vpn' | 'members'>,
    stack: AsyncDisposableStack,
  ) {
    this.lab = parts.lab;
    this.etcd = parts.etcd;
    this.vpn = parts.vpn;
    this.members = parts.members;
    this.#stack = stack;
  }

  /** It is not warm yet. */
  static async open(progress: (message: string) => void): Promise<FailoverBed> {
    await using stack = new AsyncDisposableStack();
    progress('building four masters, three etcd servers and three members');
    const lab = stack.use(await createLab({ topology }));
    const members = etcdHosts.map((host) => ({ node: lab.node(host), link: lab.link(host) }));
    const etcd = stack.use(await EtcdCluster.start({ members }));
    const vpn = await LabVpn.create(lab, { ...vpnSpec, store: etcd.url() });
    await vpn.startMasters();
    const joined = {
      near: await vpn.join('near', failing),
      neighbour: await vpn.join('neighbour', failing),
      far: await vpn.join('far', 'south'),
    };
    return new FailoverBed({ lab, etcd, vpn, members: joined }, stack.move());
  }

  /** Who acts for the failing subset now. */
  async acting(): Promise<LabMaster> {
    const { subsets } = (await this.hanseJson(['subset', 'list'])) as {
      subsets: readonly { name: string; acting: string }[];
    };
    const acting = subsets.find(({ name }) => name === failing)?.acting ?? '';
    return this.vpn.master(acting);
  }

  /** As the operator, on a machine that is never hurt. @throws HostError when the command fails */
  hanse(args: readonly string[]): Promise<string> {
    return this.vpn.hanse(args, { on: witness });
  }

  async hanseJson(args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.hanse([...args, '--json']));
  }

  /** As the operator; a command that fails, as while nobody acts, is given again until it succeeds. */
  async hanseUntilDone(args: readonly string[]): Promise<string> {
    return waitUntil(`hanse ${args.join(' ')}`, warmTimeoutMs, () =>
      this.hanse(args).catch(() => undefined),
    );
  }

  /** Resolves when every member has a living tunnel to each of its masters. */
  async warm(): Promise<void> {
    await waitUntil('all tunnels are alive', warmTimeoutMs, async () =>
      (await this.#livingTunnels()) === tunnelCount ? true : undefined,
    );
  }

  async #livingTunnels(): Promise<number> {
    const { near, neighbour, far } = this.members;
    const statuses = await Promise.all(
      [near, neighbour, far].map(({ directory }) =>
        callLocal(join(directory, 'member', 'member.sock'), localStatus, undefined),
      ),
    );
    const paths = statuses.flatMap(({ memberships }) =>
      memberships.flatMap(({ masters }) => masters.flatMap(({ path }) => path ?? [])),
    );
    return paths.filter(({ isAlive, isProven }) => isAlive && isProven).length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const topology = {
  sites: [
    ...masterHosts.map((host) => ({ name: `${host}-net`, hosts: [host] })),
    { name: 'etcd-net', hosts: [...etcdHosts] },
    { name: 'near-net', hosts: ['near', 'neighbour'] },
    { name: 'far-net', hosts: ['far'] },
  ],
};

const vpnSpec = {
  name: 'bench',
  masters: [
    { host: 'one', subset: failing, backups: ['two', 'three'] },
    { host: 'two', subset: 'east', backups: ['three', 'one'] },
    { host: 'three', subset: 'west', backups: ['one', 'two'] },
    { host: witness, subset: 'south' },
  ],
  createOptions: neverSettles,
};
