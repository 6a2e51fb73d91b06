import { setTimeout as delay } from 'node:timers/promises';
import { EtcdCluster } from '../../../lab/etcd/etcd-cluster.ts';
import { createLab, type Lab } from '../../../lab/lab.ts';
import type { PacketStream, StreamResult } from '../../../lab/packet-stream.ts';
import type { LabMember } from '../../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../../lab/vpn/lab-vpn.ts';
import { startMemberStream } from '../../../lab/vpn/member-stream.ts';
import type { DirectoryView } from '../../../src/api/directory-endpoints.ts';
import type { MembershipStatus } from '../../../src/api/member-local.ts';
import type { FailoverRecord } from '../../../src/model/records/roll.ts';
import { until } from '../until.ts';
import { type HanseOutcome, hanseOutcome } from './hanse-outcome.ts';
import { readMembership, untilSession } from './member-session.ts';

const topology = {
  sites: [
    { name: 'store-net', hosts: ['etcd-1'] },
    { name: 'baltic-net', hosts: ['lubeck', 'web', 'db', 'late-1', 'late-2'] },
    { name: 'nordic-net', hosts: ['bergen', 'camera'] },
    { name: 'flanders-net', hosts: ['bruges'] },
  ],
};
/** Each subset has the two other masters as its backups. */
const masters = [
  { host: 'lubeck', subset: 'baltic', backups: ['bergen', 'bruges'] },
  { host: 'bergen', subset: 'nordic', backups: ['bruges', 'lubeck'] },
  { host: 'bruges', subset: 'flanders', backups: ['lubeck', 'bergen'] },
];
/** Long, because the machine may be busy with other tests. */
const slowMs = 90_000;
/** A member prefers a new tunnel to the one that it uses when it has tried it and some seconds have passed. */
const settledPathsMs = 14_000;
/** Gateways deliver for three seconds more than they have to: what is lost at the end is lost by then. */
const lingeringMs = 5_000;

type SubsetView = DirectoryView['subsets'][number];

/** Packets every five milliseconds: within baltic, and between nordic and baltic. */
export interface Traffic {
  /** When gateways no longer linger. @returns what has been lost, by stream; empty when nothing was */
  lostUntilCalm(): Promise<readonly string[]>;
}

/** Three masters on etcd, which are each other's backups, and members of two of their subsets. */
export class ThreeMasters implements AsyncDisposable {
  readonly lab: Lab;
  readonly etcd: EtcdCluster;
  readonly vpn: LabVpn;
  /** Of baltic, whose home is lubeck. */
  readonly web: LabMember;
  readonly db: LabMember;
  /** Of nordic, whose home is bergen. */
  readonly camera: LabMember;
  readonly #cleanup: AsyncDisposable;

  private constructor(
    parts: Pick<ThreeMasters, 'lab' | 'etcd' | 'vpn' | 'web' | 'db' | 'camera'>,
    cleanup: AsyncDisposable,
  ) {
    this.lab = parts.lab;
    this.etcd = parts.etcd;
    this.vpn = parts.vpn;
    this.web = parts.web;
    this.db = parts.db;
    this.camera = parts.camera;
    this.#cleanup = cleanup;
  }

  /** @param settle how long a master must be well before it takes its subset back, as `--settle` takes it */
  static async start({ settle }: { readonly settle: string }): Promise<ThreeMasters> {
    await using cleanup = new AsyncDisposableStack();
    const lab = cleanup.use(await createLab({ topology }));
    const place = { node: lab.node('etcd-1'), link: lab.link('etcd-1') };
    const etcd = cleanup.use(await EtcdCluster.start({ members: [place] }));
    const vpn = await LabVpn.create(lab, {
      ...{ name: 'hanse', masters, store: etcd.url('/hanse') },
      createOptions: ['--settle', settle],
    });
    await vpn.startMasters();
    const [web, db, camera] = await Promise.all([
      vpn.join('web', 'baltic'),
      vpn.join('db', 'baltic'),
      vpn.join('camera', 'nordic'),
    ]);
    await Promise.all([web, db, camera].map((member) => untilSession(member, 'live')));
    return new ThreeMasters({ lab, etcd, vpn, web, db, camera }, cleanup.move());
  }

  /** Runs a command as the operator to its end, on bergen unless said. */
  hanse(args: readonly string[], on = 'bergen'): Promise<HanseOutcome> {
    return hanseOutcome(this.lab.node(on), args, { HANSE_DIR: this.vpn.directory });
  }

  /** What a command prints with `--json`. @throws HostError when it fails */
  async hanseJson(args: readonly string[], on = 'bergen'): Promise<unknown> {
    return JSON.parse(await this.vpn.hanse([...args, '--json'], { on }));
  }

  async subset(name: string, on?: string): Promise<SubsetView> {
    const list = (await this.hanseJson(['subset', 'list'], on)) as { subsets: SubsetView[] };
    const subset = list.subsets.find((candidate) => candidate.name === name);
    if (subset) return subset;
    throw new Error(`the VPN has no subset ${name}`);
  }

  /** Resolves when the directory says that the master acts for the subset. */
  async untilActing(master: string, subset: string, on?: string): Promise<void> {
    await until(
      `${master} acts for ${subset}`,
      async () => (await this.subset(subset, on)).acting === master,
      slowMs,
    );
  }

  /** Resolves when the members would follow a change of their masters' order at once. */
  async untilPathsSettle(): Promise<void> {
    for (const member of [this.web, this.db, this.camera]) {
      const hasSettled = ({ path }: MembershipStatus['masters'][number]) =>
        path?.isProven && path.sinceMs + settledPathsMs < Date.now();
      await until(
        `the tunnels of ${member.name} have settled`,
        async () => (await readMembership(member))?.masters.every(hasSettled),
        slowMs,
      );
    }
  }

  /** Resolves when the member's packets go by the master. */
  async untilUsing(master: string, member: LabMember): Promise<void> {
    const isUsed = ({ name, path }: MembershipStatus['masters'][number]) =>
      name === master && path?.inUse;
    await until(
      `traffic of ${member.name} goes by ${master}`,
      async () => (await readMembership(member))?.masters.some(isUsed),
      slowMs,
    );
  }

  /** How the subset changed its acting masters, oldest first. */
  async failovers(subset: string): Promise<readonly FailoverRecord[]> {
    const line = ['failover', 'history', '--subset', subset];
    const { failovers } = (await this.hanseJson(line)) as { failovers: FailoverRecord[] };
    return failovers.toReversed();
  }

  async startTraffic(): Promise<Traffic> {
    const { web, db, camera } = this;
    const streams = await Promise.all([
      startStream({ name: 'within a subset', from: web, to: db }, 7_101),
      startStream({ name: 'to another subset', from: web, to: camera }, 7_102),
      startStream({ name: 'from another subset', from: camera, to: db }, 7_103),
    ]);
    return {
      lostUntilCalm: async () => {
        await delay(lingeringMs);
        const results = await Promise.all(streams.map(({ stream }) => stream.stop()));
        return streams.flatMap(({ name }, index) => describeLosses(name, results[index]));
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#cleanup[Symbol.asyncDispose]());
  }
}

async function startStream(
  { name, from, to }: { readonly name: string; readonly from: LabMember; readonly to: LabMember },
  port: number,
): Promise<{ readonly name: string; readonly stream: PacketStream }> {
  return { name, stream: await startMemberStream(from, to, { port }) };
}

function describeLosses(name: string, result: StreamResult | undefined): string[] {
  if (!result) return [`${name}: no result`];
  const { lost, sentAtMs, longestGap } = result;
  if (lost.length === 0) return [];
  return [
    `${name}: ${lost.length} of ${sentAtMs.length}, at most ${Math.round(longestGap.lengthMs)} ms`,
  ];
}
