import { randomInt } from 'node:crypto';
import { createRunner } from '../../src/host/runner.ts';
import { createEtcdCertificates, type EtcdCertificates } from './etcd-certificates.ts';
import { claimEtcdDirectory } from './etcd-directory.ts';
import { EtcdMember, type MemberPlace } from './etcd-member.ts';
import { type ClusterSettings, memberArguments, planMembers } from './member-arguments.ts';

const controlTimeoutMs = 30_000;
const leaderTimeoutMs = 60_000;

export interface EtcdClusterOptions extends Omit<ClusterSettings, 'tls' | 'withoutFsync'> {
  /** How many, on loopback addresses of their own; or addresses of this machine; or where each of them runs. */
  readonly members: number | readonly string[] | readonly MemberPlace[];
  /**
   * For the data, which stays; unless said, in memory where there is room, for as long as the cluster lives,
   * and never waiting for a disk.
   */
  readonly directory?: string;
  /** With certificates of an authority of its own, which clients must have too. */
  readonly tls?: boolean;
}

export interface EtcdUser {
  readonly name: string;
  readonly password: string;
  /** The keys that it may read and write: those that begin so. */
  readonly keyPrefix: string;
}

interface MemberStatus {
  readonly Endpoint: string;
  readonly Status: {
    readonly header: { readonly member_id: number };
    readonly leader: number;
    readonly raftTerm: number;
    readonly dbSize: number;
  };
}

/** Some real etcd processes that are one cluster. Disposing ends them and removes their data. */
export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdMember[];
  /** Present with `tls`. */
  readonly certificates: EtcdCertificates | undefined;
  readonly #places: readonly MemberPlace[] | undefined;
  readonly #cleanup: AsyncDisposable;
  #rootPassword: string | undefined;

  private constructor(
    members: readonly EtcdMember[],
    owned: {
      readonly certificates: EtcdCertificates | undefined;
      readonly places: readonly MemberPlace[] | undefined;
      readonly cleanup: AsyncDisposable;
    },
  ) {
    this.members = members;
    this.certificates = owned.certificates;
    this.#places = owned.places;
    this.#cleanup = owned.cleanup;
  }

  /** Resolves when all members answer. After a failure nothing is left. */
  static async start(options: EtcdClusterOptions): Promise<EtcdCluster> {
    await using cleanup = new AsyncDisposableStack();
    const directory = options.directory ?? cleanup.use(await claimEtcdDirectory()).path;
    const { addresses, places } = placeMembers(options.members);
    const { tls, ...settings } = options;
    const certificates = tls ? await createEtcdCertificates(directory, addresses) : undefined;
    const plans = planMembers(addresses, directory);
    const memberSettings = {
      ...settings,
      withoutFsync: options.directory === undefined,
      ...(certificates ? { tls: certificates } : {}),
    };
    const members = plans.map((plan, index) => {
      const programArguments = memberArguments(plan, plans, memberSettings);
      const place = places?.[index];
      return cleanup.use(
        new EtcdMember(plan, programArguments, { logDirectory: directory, place }),
      );
    });
    await Promise.all(members.map((member) => member.start()));
    await Promise.all(members.map((member) => member.waitUntilReady()));
    return new EtcdCluster(members, { certificates, places, cleanup: cleanup.move() });
  }

  /** What `openStore` takes, without what is needed to be let in. @param rest begins with `/` or `?` */
  url(rest = '', members: readonly EtcdMember[] = this.members): string {
    const scheme = this.certificates ? 'etcds' : 'etcd';
    return `${scheme}://${members.map(({ endpoint }) => endpoint).join(',')}${rest}`;
  }

  /** The options of the URL that present the client's certificate. */
  get tlsQuery(): string {
    if (!this.certificates) return '';
    const { ca, client } = this.certificates;
    return `ca=${ca}&cert=${client.cert}&key=${client.key}`;
  }

  /** The leader of the majority. Waits until there is one. */
  async leader(): Promise<EtcdMember> {
    const deadlineMs = performance.now() + leaderTimeoutMs;
    for (;;) {
      const statuses = (await this.#statuses()).toSorted(
        (one, other) => other.Status.raftTerm - one.Status.raftTerm,
      );
      const leading = statuses.find(({ Status }) => Status.leader === Status.header.member_id);
      const member = this.members.find(({ endpoint }) => leading?.Endpoint.endsWith(endpoint));
      if (member && leading?.Status.raftTerm === statuses[0]?.Status.raftTerm) return member;
      if (performance.now() > deadlineMs) throw new Error('the cluster has no leader');
    }
  }

  async followers(): Promise<readonly EtcdMember[]> {
    const leader = await this.leader();
    return this.members.filter((member) => member !== leader);
  }

  /** Runs `etcdctl`, as root where users are needed. @returns its output */
  async control(args: readonly string[]): Promise<string> {
    const runner = this.#places?.[0]?.node.runner ?? createRunner();
    const line = [...this.#controlOptions(), ...args];
    const { stdout } = await runner.run('etcdctl', line, { timeoutMs: controlTimeoutMs });
    return stdout;
  }

  /** From now on nobody is let in but root and this user. */
  async requireUser(user: EtcdUser): Promise<void> {
    const rootPassword = `root-${randomInt(1_000_000_000)}`;
    await this.control(['user', 'add', `root:${rootPassword}`]);
    await this.control(['user', 'grant-role', 'root', 'root']);
    await this.control(['role', 'add', user.name]);
    const permission = ['--prefix=true', user.name, 'readwrite', user.keyPrefix];
    await this.control(['role', 'grant-permission', ...permission]);
    await this.control(['user', 'add', `${user.name}:${user.password}`]);
    await this.control(['user', 'grant-role', user.name, user.name]);
    await this.control(['auth', 'enable']);
    this.#rootPassword = rootPassword;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#cleanup[Symbol.asyncDispose]() as Promise<void>;
  }

  #controlOptions(): readonly string[] {
    const { certificates } = this;
    const scheme = certificates ? 'https' : 'http';
    const endpoints = this.members.map(({ endpoint }) => `${scheme}://${endpoint}`);
    return [
      ...['--endpoints', endpoints.join(','), '--command-timeout', '2s'],
      ...(certificates ? ['--cacert', certificates.ca] : []),
      ...(certificates ? ['--cert', certificates.client.cert] : []),
      ...(certificates ? ['--key', certificates.client.key] : []),
      ...(this.#rootPassword ? ['--user', `root:${this.#rootPassword}`] : []),
    ];
  }

  /** Of the members that answer. */
  async #statuses(): Promise<readonly MemberStatus[]> {
    const answers = await Promise.all(
      this.members.map(async ({ endpoint }, index) => {
        const runner = this.#places?.[index]?.node.runner ?? createRunner();
        const scheme = this.certificates ? 'https' : 'http';
        const [, , ...options] = this.#controlOptions();
        const line = ['--endpoints', `${scheme}://${endpoint}`, ...options];
        const command = ['endpoint', 'status', '--write-out', 'json'];
        return runner
          .run('etcdctl', [...line, ...command], { timeoutMs: controlTimeoutMs })
          .then(({ stdout }) => JSON.parse(stdout) as MemberStatus[])
          .catch(() => []); // It is dead, stopped or cut off.
      }),
    );
    return answers.flat();
  }
}

function placeMembers(members: EtcdClusterOptions['members']): {
  readonly addresses: readonly string[];
  readonly places?: readonly MemberPlace[];
} {
  if (typeof members === 'number') return { addresses: loopbackAddresses(members) };
  if (members.every((member) => typeof member === 'string')) return { addresses: members };
  const places = members as readonly MemberPlace[];
  return { addresses: places.map(({ node }) => node.address('ipv4')), places };
}

/** Out of 16 million, so that clusters of other tests have others. */
function loopbackAddresses(count: number): readonly string[] {
  const network = `127.${randomInt(1, 255)}.${randomInt(256)}`;
  const first = randomInt(1, 200);
  return Array.from({ length: count }, (_, index) => `${network}.${first + index}`);
}
