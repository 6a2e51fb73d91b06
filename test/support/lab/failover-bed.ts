import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { EtcdCluster } from '../../../lab/etcd/etcd-cluster.ts';
import { createLab, type Lab } from '../../../lab/lab.ts';
import type { Separation } from '../../../lab/separation.ts';
import type { LabMember } from '../../../lab/vpn/lab-member.ts';
import { LabVpn } from '../../../lab/vpn/lab-vpn.ts';
import type { DirectoryView } from '../../../src/api/directory-endpoints.ts';
import { until } from '../until.ts';
import { FailoverTraffic, type Flow } from './failover-traffic.ts';
import { type HanseOutcome, hanseOutcome } from './hanse-outcome.ts';
import { readMembership } from './member-session.ts';

const etcdHosts = ['etcd-1', 'etcd-2', 'etcd-3'] as const;
const topology = {
  sites: [
    ...['one', 'two', 'three', 'four'].map((host) => ({ name: `${host}-net`, hosts: [host] })),
    { name: 'store-net', hosts: [...etcdHosts] },
    { name: 'north-net', hosts: ['near', 'neighbour', 'outer', 'late', 'gone'] },
    { name: 'south-net', hosts: ['far'] },
  ],
};
const masters = [
  { host: 'one', subset: 'north', backups: ['two', 'three'] },
  { host: 'two', subset: 'east', backups: ['three'] },
  { host: 'three', subset: 'west', backups: ['two'] },
  { host: 'four', subset: 'south', backups: ['three'] },
];
/** The first block has room for its gateway and one member, so that the others are in another one. */
const smallBlocks = ['--ipv4-block-length', '30'];
/** Nobody goes home by itself in the midst of a test. */
const neverSettles = ['--settle', '1h'];
/** Longer than a gateway lingers and a path that came back settles. */
const lingersMs = 4_500;
/** Long, because the machine may be busy with other tests. */
const slowMs = 60_000;

/** Where traffic and session of a member are. */
export interface Whereabouts {
  readonly traffic: string | undefined;
  readonly session: string | undefined;
}

/** Where traffic and sessions were at one moment. */
export interface Standing {
  /**
   * Resolves when traffic is where it was. A member that the busy machine kept from answering probes in time
   * uses its backup for a moment, which loses nothing.
   * @throws AssertionError if a session has moved, or ended and begun anew
   */
  assertHeld(): Promise<void>;
}

/**
 * North, whose home is one and whose backups are two and three; south, whose home is four and whose backup is
 * three; and etcd with its usual timing. Operators work from four.
 */
export class FailoverBed implements AsyncDisposable {
  readonly lab: Lab;
  readonly etcd: EtcdCluster;
  readonly vpn: LabVpn;
  /** Of north's first block, which two takes over first. */
  readonly near: LabMember;
  /** Of north's second block, which three takes over first. */
  readonly neighbour: LabMember;
  readonly outer: LabMember;
  /** Of south. */
  readonly far: LabMember;
  readonly #separations: Separation[] = [];
  #traffic: FailoverTraffic | undefined;
  #isAsStarted = true;
  readonly #cleanup: AsyncDisposable;

  private constructor(
    parts: Pick<FailoverBed, 'lab' | 'etcd' | 'vpn' | 'near' | 'neighbour' | 'outer' | 'far'>,
    cleanup: AsyncDisposable,
  ) {
    this.lab = parts.lab;
    this.etcd = parts.etcd;
    this.vpn = parts.vpn;
    this.near = parts.near;
    this.neighbour = parts.neighbour;
    this.outer = parts.outer;
    this.far = parts.far;
    this.#cleanup = cleanup;
  }

  /** Resolves when every member has a living tunnel to each of its masters. */
  static async start(createOptions: readonly string[] = []): Promise<FailoverBed> {
    await using cleanup = new AsyncDisposableStack();
    const lab = cleanup.use(await createLab({ topology }));
    const places = etcdHosts.map((host) => ({ node: lab.node(host), link: lab.link(host) }));
    const etcd = cleanup.use(await EtcdCluster.start({ members: places }));
    const vpn = await LabVpn.create(lab, {
      ...{ name: 'hanse', masters, store: etcd.url('/hanse') },
      createOptions: [...smallBlocks, ...neverSettles, ...createOptions],
    });
    await vpn.startMasters();
    // One after the other: it decides who is in which block.
    const near = await vpn.join('near', 'north');
    const neighbour = await vpn.join('neighbour', 'north');
    const outer = await vpn.join('outer', 'north');
    const far = await vpn.join('far', 'south');
    const parts = { lab, etcd, vpn, near, neighbour, outer, far };
    const bed = new FailoverBed(parts, cleanup.move());
    await bed.#untilWarm();
    return bed;
  }

  get members(): readonly LabMember[] {
    return [this.near, this.neighbour, this.outer, this.far];
  }

  /** Between two blocks, within one, and between subsets. */
  async startTraffic(flows: readonly Flow[] = this.flows): Promise<FailoverTraffic> {
    this.#traffic = await FailoverTraffic.start(flows);
    return this.#traffic;
  }

  get flows(): readonly [across: Flow, within: Flow, between: Flow, from: Flow] {
    const { near, neighbour, outer, far } = this;
    return [
      { name: 'near to neighbour', from: near, to: neighbour, family: 'ipv4' },
      { name: 'neighbour to outer', from: neighbour, to: outer, family: 'ipv6' },
      { name: 'near to far', from: near, to: far, family: 'ipv4' },
      { name: 'far to outer', from: far, to: outer, family: 'ipv6' },
    ];
  }

  /** Runs a command as the operator to its end, on four unless said. */
  hanse(args: readonly string[], on = 'four'): Promise<HanseOutcome> {
    return hanseOutcome(this.lab.node(on), args, { HANSE_DIR: this.vpn.directory });
  }

  /** What a command prints with `--json`. @throws HostError when it fails */
  async hanseJson(args: readonly string[], on = 'four'): Promise<unknown> {
    return JSON.parse(await this.vpn.hanse([...args, '--json'], { on }));
  }

  /** As the directory says. */
  async acting(subset: string): Promise<string | undefined> {
    const list = (await this.hanseJson(['subset', 'list'])) as Pick<DirectoryView, 'subsets'>;
    return list.subsets.find(({ name }) => name === subset)?.acting;
  }

  /** @throws AssertionError which says how north changed hands, and what its master said last */
  async assertActing(master: string): Promise<void> {
    const acting = await this.acting('north');
    if (acting === master) return;
    const { process } = this.vpn.master(master);
    const said = (await process.output()).split('\n').slice(-30);
    const told = [
      `${acting ?? 'nobody'} acts for north, not ${master}, which ${(await process.isRunning()) ? 'runs' : 'has ended'}`,
      (await this.hanse(['failover', 'history'])).output,
      ...said,
    ];
    assert.fail(told.join('\n'));
  }

  async untilActing(master: string): Promise<void> {
    await until(
      `${master} acts for north`,
      async () => (await this.acting('north')) === master,
      slowMs,
    );
  }

  async whereabouts(member: LabMember): Promise<Whereabouts> {
    const membership = await readMembership(member);
    const traffic = membership?.masters.find(({ path }) => path?.inUse)?.name;
    const { state, master } = membership?.session ?? {};
    return { traffic, session: state === 'live' ? master : undefined };
  }

  /** Resolves when traffic and session of the member are with the master. */
  async untilServed(member: LabMember, by: string): Promise<void> {
    await until(
      `${member.name} is served by ${by}`,
      async () => {
        const { traffic, session } = await this.whereabouts(member);
        return traffic === by && session === by;
      },
      slowMs,
    );
  }

  /** Of all members unless said. */
  async standing(of: readonly LabMember[] = this.members): Promise<Standing> {
    const traffic = () =>
      Promise.all(of.map((each) => this.whereabouts(each).then((at) => at.traffic)));
    const before = { sessions: await sessionsOf(of), traffic: await traffic() };
    return {
      assertHeld: async () => {
        assert.deepEqual(await sessionsOf(of), before.sessions);
        await until('traffic is where it was', async () =>
          isDeepStrictEqual(await traffic(), before.traffic),
        );
      },
    };
  }

  async separate(one: readonly string[], other: readonly string[]): Promise<void> {
    this.#separations.push(await this.lab.separate(one, other));
  }

  /** Before each test: undoes all that the one before has broken; resolves when everything is where it was at the start. */
  async mend(): Promise<void> {
    const isAsStarted = this.#isAsStarted;
    this.#isAsStarted = false;
    if (isAsStarted) return;
    await this.#traffic?.end();
    await Promise.all(this.#separations.splice(0).map((separation) => separation.end()));
    const hosts = [...etcdHosts, ...masters.map(({ host }) => host)];
    await Promise.all(hosts.map((host) => this.lab.link(host).restore()));
    for (const master of this.vpn.masters) {
      if (!(await master.process.isRunning())) await master.startAsBackup();
    }
    await Promise.all(masters.map(({ host, subset }) => this.#bringHome(host, subset)));
    await this.#untilWarm();
    // Gateways linger after a change of masters, so that the end of one test is not the beginning of the next.
    await delay(lingersMs);
  }

  async #bringHome(master: string, subset: string): Promise<void> {
    await until(
      `${subset} is back at ${master}`,
      async () => {
        const { exitCode } = await this.hanse(['master', 'return', master]);
        return exitCode === 0 && (await this.acting(subset)) === master;
      },
      slowMs,
    );
  }

  async #untilWarm(): Promise<void> {
    await until('every member is served at home', () => this.#isWarm(), slowMs);
  }

  async #isWarm(): Promise<boolean> {
    const memberships = await Promise.all(this.members.map(readMembership));
    return memberships.every((membership) => {
      const [home] = membership?.masters ?? [];
      const { state, master } = membership?.session ?? {};
      return (
        home?.path?.inUse === true &&
        ['one', 'four'].includes(home.name) &&
        state === 'live' &&
        master === home.name &&
        membership?.masters.every(({ path }) => path?.isAlive && path.isProven)
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#traffic?.end();
    await this.#cleanup[Symbol.asyncDispose]();
  }
}

/** Whose each session is, and since when. */
function sessionsOf(members: readonly LabMember[]): Promise<readonly object[]> {
  return Promise.all(
    members.map(async (member) => {
      const { master, state, sinceMs } = (await readMembership(member))?.session ?? {};
      return { member: member.name, session: { master, state, sinceMs } };
    }),
  );
}
