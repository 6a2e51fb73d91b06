import { join } from 'node:path';
import type { IntroduceMessage } from '../../src/api/direct-messages.ts';
import { memberLinkLocal } from '../../src/core/addressing.ts';
import { DirectPaths } from '../../src/member/direct/direct-paths.ts';
import { HostKeeper } from '../../src/member/host-keeper.ts';
import type { InterfaceState, PeerState } from '../../src/model/host-state.ts';
import { parseMasterName } from '../../src/model/names.ts';
import { type Address, parseAddress, parsePrefix } from '../../src/model/prefix.ts';
import {
  type WireguardPublicKey,
  wireguardPrivateKeySchema,
} from '../../src/model/wireguard-key.ts';
import type { ProbeMessage } from '../../src/paths/probe-message.ts';
import { runUntilAborted } from '../../src/runtime/abort.ts';
import { silentLog } from '../../src/runtime/log.ts';
import { verifyChain } from '../../src/trust/certificate-check.ts';
import type { CertificatePeriod } from '../../src/trust/signed-certificate.ts';
import { createGroupKey } from '../../src/trust/wireguard-keys.ts';
import { CertificateBed } from './certificate-bed.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryHost } from './memory-host.ts';
import { memberDirectory } from './running-member.ts';

const directInterface = 'hnsdirect';
const master = parseMasterName('hansa-1');
const membership = 'hansa.east';
/** Of the master, where a relay has one port for each end. */
export const relayAddress = '192.0.2.1';
const stepMs = 50;
/** Of one probe, as WireGuard counts it. */
const probeBytes = 96;

/** A member's direct paths on a machine in memory, and what others have to know of it. */
export class DirectEnd {
  readonly host = new MemoryHost();
  readonly name: string;
  readonly key: WireguardPublicKey;
  readonly chain: readonly string[];
  readonly place: ReturnType<typeof placeOf>;
  /** Where it can be reached. */
  readonly endpoint: string;
  readonly #bed: DirectBed;
  readonly #peersPath: string;
  #stop = new AbortController();
  paths!: DirectPaths;
  /** Whether a master answers in its tunnel. */
  hasMaster = true;
  /** How often the interface was given up. */
  timesGivenUp = 0;

  constructor(
    bed: DirectBed,
    parts: Pick<DirectEnd, 'name' | 'key' | 'chain'> & {
      readonly subset: SubsetOfBed;
      readonly number: number;
    },
    directory: string,
  ) {
    const { subset, name, key, chain, number } = parts;
    this.#bed = bed;
    this.name = name;
    this.key = key;
    this.chain = chain;
    this.place = placeOf(bed.certificates, { subset, name, number });
    this.endpoint = `198.51.100.${number}:40001`;
    this.#peersPath = join(directory, `${name}.json`);
    this.host.onProbe = (message, to) => bed.carry(this, message, to);
  }

  get linkLocal(): Address {
    return memberLinkLocal(this.place.ipv6);
  }

  get peersPath(): string {
    return this.#peersPath;
  }

  /** The daemon starts, with what is on the disk. */
  async start(): Promise<void> {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const host = Promise.resolve(this.host);
    const hostKeeper = new HostKeeper(host, signal);
    const { certificates, clock, key } = this.#bed;
    const known = () => ({
      rootCertificate: certificates.root.certificatePem,
      ...{ ownChain: [], ownKey: this.key, masterKeys: [], key, port: 40_001 },
      haveOneKey: this.#bed.haveOneKey,
    });
    this.paths = new DirectPaths(
      {
        membership,
        place: this.place,
        interfaceName: directInterface,
        peersPath: this.#peersPath,
        known,
        endpointOf: () => `${relayAddress}:51820`,
      },
      {
        ...{ clock, log: silentLog(), host, hostKeeper },
        onGivenUp: () => {
          this.timesGivenUp += 1;
        },
        masterAnswers: async () => this.hasMaster,
      },
    );
    await this.paths.takeUp();
    const direct = this.paths.facts;
    await hostKeeper.set(membership, 0, {
      privateKey: wireguardPrivateKeySchema.parse(Buffer.alloc(32, 8).toString('base64')),
      paths: [{ interfaceName: 'hns0', mtuBytes: 1_400 }],
      admission: {
        ...{ vpnId: this.place.vpn.id, prefixes: this.place.vpn.prefixes, using: 'hns0' },
        ...{ ipv4: this.place.ipv4, ipv6: this.place.ipv6 },
      },
      ...(direct ? { direct } : {}),
    });
    void runUntilAborted(
      (until) => this.paths.run(until),
      signal,
      (error) => {
        throw error;
      },
    );
  }

  /** The daemon is gone; what the kernel has stays. */
  stop(): void {
    this.#stop.abort();
  }

  introduction(candidates: readonly string[], isFirst: boolean): IntroduceMessage {
    const { name, ipv4, ipv6 } = this.place;
    const where = { candidates: [...candidates], isFirst };
    return { type: 'introduce', name, chain: [...this.chain], ipv4, ipv6, ...where };
  }

  /** Hears of another end. */
  async hear(other: DirectEnd, isFirst: boolean, candidates = [other.endpoint]): Promise<void> {
    const { subset } = other.place;
    const introduction = other.introduction(candidates, isFirst);
    const isOwn = subset === this.place.subset;
    await this.paths.introduce(isOwn ? introduction : { ...introduction, subset }, master);
  }

  get interface(): InterfaceState | undefined {
    return this.host.interfaces.find(({ name }) => name === directInterface);
  }

  /** As this end's WireGuard has it. */
  peer(other: DirectEnd): PeerState | undefined {
    return this.interface?.peers.find(({ publicKey }) => publicKey === other.key);
  }

  /** Whether the kernel sends to the other end without a master. */
  routes(other: DirectEnd): boolean {
    const routes = this.interface?.routes ?? [];
    return routes.some(({ destination }) => destination === `${other.place.ipv6}/128`);
  }

  async path(other: DirectEnd) {
    return (await this.paths.report()).find(({ peer }) => peer === other.key);
  }
}

/** The first of them is that of the two members that there are in any case. */
const subsets = ['east', 'west'] as const;
type SubsetOfBed = (typeof subsets)[number];

/** Two members of one subset, and WireGuard and the network between them. */
export class DirectBed implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly certificates: CertificateBed;
  readonly ends: DirectEnd[] = [];
  /** Probes do not get through; by who sent them. */
  readonly cut = new Set<DirectEnd>();
  readonly asked: { readonly from: string; readonly using: boolean }[] = [];
  key = { epoch: 1, groupKey: createGroupKey() };
  /** Whether members of the other subset have it too. */
  haveOneKey = false;
  readonly #directory: { readonly path: string } & AsyncDisposable;

  private constructor(
    certificates: CertificateBed,
    directory: { readonly path: string } & AsyncDisposable,
  ) {
    this.certificates = certificates;
    this.#directory = directory;
  }

  static async start(): Promise<
    DirectBed & { readonly left: DirectEnd; readonly right: DirectEnd }
  > {
    const bed = new DirectBed(await CertificateBed.create(), await memberDirectory());
    const left = await bed.add('anna');
    const right = await bed.add('bela');
    return Object.assign(bed, { left, right });
  }

  async add(
    name: string,
    period?: CertificatePeriod,
    subset: SubsetOfBed = 'east',
  ): Promise<DirectEnd> {
    const { certificates } = this;
    const number = this.ends.length + 2;
    const expected = certificates.member(subset, name);
    const addresses = placeOf(certificates, { subset, name, number });
    const valid = period ?? certificates.period;
    const { chain } = await certificates.issue(expected, valid, addresses);
    const root = certificates.root.certificatePem;
    const { wireguardKeys } = await verifyChain({ chain, root, nowMs: Date.now(), expected });
    const key = wireguardKeys['acting'];
    if (!key) throw new Error('a member has a key');
    const parts = { subset, name, key, chain, number };
    const end = new DirectEnd(this, parts, this.#directory.path);
    this.ends.push(end);
    await end.start();
    return end;
  }

  /** Time passes as it does: in small steps, with everybody doing what is due. */
  async pass(durationMs: number, each: () => void = () => {}): Promise<void> {
    for (let passedMs = 0; passedMs < durationMs; passedMs += stepMs) {
      this.clock.advance(stepMs);
      await settle();
      each();
    }
  }

  /** What one end sends by WireGuard to a link-local address. */
  carry(from: DirectEnd, message: ProbeMessage, linkLocal: Address): void {
    if (message.kind === 'ask') this.asked.push({ from: from.name, using: message.using });
    const to = this.ends.find((end) => end.linkLocal === linkLocal);
    if (!to || this.cut.has(from) || !isConnected(from, to)) return;
    count(from, to.key, 'sentBytes', probeBytes);
    count(to, from.key, 'receivedBytes', probeBytes);
    const heard = to.peer(from)?.endpoint;
    const endpoint = isAtRelay(heard) ? heard : from.endpoint;
    to.host.observed.set(from.key, { ...to.host.observed.get(from.key), endpoint });
    queueMicrotask(() => to.host.hearProbe(message, from.linkLocal));
  }

  /** Packets of people, by the direct path. */
  traffic(from: DirectEnd, to: DirectEnd, bytes: number): void {
    count(from, to.key, 'sentBytes', bytes);
    count(to, from.key, 'receivedBytes', bytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.ends) end.stop();
    await Promise.all(this.ends.map(({ paths }) => paths.close()));
    await this.#directory[Symbol.asyncDispose]();
  }
}

/** Each has the other, with one key, and one of them knows where to send. */
function isConnected(from: DirectEnd, to: DirectEnd): boolean {
  const [there, back] = [from.peer(to), to.peer(from)];
  if (!there || !back || there.presharedKey !== back.presharedKey) return false;
  if (isAtRelay(there.endpoint) && isAtRelay(back.endpoint)) return true;
  return there.endpoint === to.endpoint || back.endpoint === from.endpoint;
}

function isAtRelay(endpoint: string | undefined): endpoint is string {
  return !!endpoint?.startsWith(`${relayAddress}:`);
}

function count(
  { host }: DirectEnd,
  key: WireguardPublicKey,
  direction: 'sentBytes' | 'receivedBytes',
  bytes: number,
): void {
  const before = host.observed.get(key);
  host.observed.set(key, { ...before, [direction]: (before?.[direction] ?? 0) + bytes });
}

function placeOf(
  certificates: CertificateBed,
  of: { readonly subset: SubsetOfBed; readonly name: string; readonly number: number },
) {
  const { number } = of;
  const { subset, name: memberName, vpn } = certificates.member(of.subset, of.name);
  const index = subsets.indexOf(of.subset) + 1;
  return {
    vpn: {
      ...{ name: vpn, id: '00c0ffee', keying: 'per-subset' as const },
      prefixes: [parsePrefix('fd12:3456:789a::/48'), parsePrefix('100.64.0.0/10')],
    },
    ...{ subset, name: memberName },
    ipv4: parseAddress(`100.${63 + index}.0.${number}`),
    ipv6: parseAddress(`fd12:3456:789a:${index}::${number.toString(16)}`),
  };
}

async function settle(): Promise<void> {
  for (let round = 0; round < 4; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
