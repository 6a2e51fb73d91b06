import { type DirectContact, type IntroduceMessage, maxHeldPeers } from '../api/direct-messages.ts';
import type { DirectFacts } from '../core/direct-plan.ts';
import type { SealedFacts } from '../core/sealed-plan.ts';
import { describeError } from '../model/error.ts';
import type { MasterName } from '../model/names.ts';
import type { KeyingPhase } from '../model/records/directory.ts';
import type { WireguardPublicKey } from '../model/wireguard-key.ts';
import { isAbort } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';
import { DirectPaths } from './direct/direct-paths.ts';
import { directKnowledge, introducesMembers } from './direct/membership-facts.ts';
import { RefusedIntroductions } from './direct/refused-introductions.ts';
import type { RendezvousMaster } from './direct/rendezvous.ts';
import type { HostKeeper } from './host-keeper.ts';
import { mastersOf, type TrustedMaster } from './master-trust.ts';
import type { MemberHost } from './member-host.ts';
import type { MembershipFiles, MembershipState } from './membership-files.ts';
import { SealedPaths } from './sealed/sealed-paths.ts';

export interface PeerTunnelsOptions {
  readonly files: MembershipFiles;
  readonly interfaces: { readonly direct: string; readonly sealed: string };
  /** What the membership knows now; no masters while they cannot be trusted. */
  readonly known: () => {
    readonly state: MembershipState;
    readonly masters: readonly TrustedMaster[];
  };
  /** Of the tunnel to the master, numeric; undefined while it is not known. */
  readonly endpointOf: (master: MasterName) => string | undefined;
  /** Whether the master whose tunnel traffic takes answers in it now. */
  readonly masterAnswers: () => Promise<boolean>;
  /** Keeps a port that was chosen, once it is on the disk. */
  readonly savePorts: (ports: Ports) => Promise<void>;
  /** As `Membership.exclusively`. */
  readonly exclusively: (change: () => Promise<void>) => Promise<void>;
}

export interface PeerTunnelsDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Promise<MemberHost>;
  readonly hostKeeper: HostKeeper;
}

type Ports = Partial<Pick<MembershipState, 'directPort' | 'sealedPort'>>;

/** For the host: what there is beside the tunnels to masters. */
export interface PeerTunnelFacts {
  readonly direct?: DirectFacts;
  readonly sealed?: SealedFacts;
}

/**
 * Each costs a check of certificates, some milliseconds, and a step of the host. No member needs more:
 * it cannot hold as many, and whoever seeks it comes again.
 */
const introductionRate = { perSecond: 50, burst: 2 * maxHeldPeers };

/** One membership's tunnels to other members: direct ones, and those that are sealed within the tunnels to masters. */
export class PeerTunnels {
  readonly direct: DirectPaths;
  readonly sealed: SealedPaths;
  readonly #options: PeerTunnelsOptions;
  readonly #dependencies: PeerTunnelsDependencies;
  readonly #introductions: TokenBucket;
  readonly #tooMany: RefusedIntroductions;

  constructor(options: PeerTunnelsOptions, dependencies: PeerTunnelsDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    const { files, interfaces, known, endpointOf, masterAnswers } = options;
    const { place } = known().state;
    const common = { membership: files.name, place };
    this.#introductions = new TokenBucket(introductionRate, dependencies.clock.monotonicMs());
    this.#tooMany = new RefusedIntroductions(files.name, dependencies);
    this.direct = new DirectPaths(
      {
        ...{ ...common, interfaceName: interfaces.direct, peersPath: files.peersPath },
        known: () => directKnowledge(known().state, known().masters),
        endpointOf,
      },
      { ...dependencies, masterAnswers, onGivenUp: () => void this.#changePort('directPort') },
    );
    this.sealed = new SealedPaths(
      {
        ...{ ...common, interfaceName: interfaces.sealed, path: files.sealedPath },
        known: () => sealedKnowledge(known().state, known().masters),
        alsoSought: () => this.direct.aging,
      },
      dependencies,
    );
  }

  /** For `hello`; undefined while there is no port to be reached at. */
  get contact(): DirectContact | undefined {
    const contact = this.direct.contact;
    const { view, sealedPort } = this.#options.known().state;
    if (contact === undefined) return undefined;
    const isSealed = view.keying !== 'per-subset' && sealedPort !== undefined;
    return { ...contact, peers: [...this.held], ...(isSealed ? { sealedPort } : {}) };
  }

  /** Whom the host or the disk has; masters have to know, to withdraw those that are members no more. */
  get held(): readonly WireguardPublicKey[] {
    return [...new Set([...this.direct.held, ...this.sealed.held])];
  }

  /** How many introductions were not to be trusted. */
  get refused(): number {
    return this.direct.refused + this.sealed.refused + this.#tooMany.count;
  }

  /** Shows the master where the direct interface sends from. */
  meet(master: RendezvousMaster): void {
    if (this.#options.known().state.directPort !== undefined) this.direct.meet(master);
  }

  /** Takes what a master says of another member, as far as it does not say too much. */
  async introduce(introduction: IntroduceMessage, from: MasterName): Promise<void> {
    if (!this.#introductions.take(this.#dependencies.clock.monotonicMs())) {
      this.#tooMany.add('too many introductions');
      return;
    }
    if (introduction.candidates.length === 0) await this.sealed.introduce(introduction);
    // A younger certificate is for both.
    await this.direct.introduce(introduction, from);
  }

  /** Resolves when neither the host nor the disk has them any more. @throws HostError */
  async withdraw(keys: readonly WireguardPublicKey[]): Promise<void> {
    await Promise.all([this.direct.withdraw(keys), this.sealed.withdraw(keys)]);
  }

  /**
   * A port is chosen before a master can ask for it, and then for good: others have it on their disks.
   * What goes wrong with direct paths costs those, not the membership.
   * @throws HostError, an error of the disk: without its port nothing can be sealed
   */
  async prepare(): Promise<void> {
    await this.#prepareDirect();
    const { view, sealedPort } = this.#options.known().state;
    if (view.keying === 'per-subset') return;
    if (sealedPort === undefined) await this.#choosePort('sealedPort');
    await this.sealed.takeUp();
  }

  /** The view has another phase than `before`. */
  follow(before: KeyingPhase): void {
    this.sealed.follow(before);
    if (this.#options.known().state.view.keying === 'per-subset') this.direct.releaseOthers();
  }

  /**
   * Applies a membership with them. Without direct paths where those cannot be had: the tunnels to
   * the masters have to be. Never without sealed ones: their packets would go openly.
   */
  async apply(apply: (facts: PeerTunnelFacts) => Promise<void>): Promise<void> {
    const { facts: direct } = this.direct;
    const { facts } = this.sealed;
    const sealed = facts ? { sealed: facts } : {};
    if (!direct) return await this.#applySealed(() => apply(sealed));
    try {
      await apply({ direct, ...sealed });
    } catch (error) {
      if (isAbort(error)) throw error;
      this.direct.giveUp(error);
      await this.#applySealed(() => apply(sealed));
    }
  }

  /** Looks after them until the signal is aborted. @throws its reason */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.direct.run(signal), this.sealed.run(signal)]);
  }

  /** Nothing is held any more. Resolves when the disk is left alone; what the host has is the caller's. */
  async close(): Promise<void> {
    await Promise.all([this.direct.close(), this.sealed.close()]);
  }

  async #applySealed(apply: () => Promise<void>): Promise<void> {
    try {
      await apply();
    } catch (error) {
      // Somebody else may have its port.
      if (!isAbort(error) && this.sealed.facts) void this.#changePort('sealedPort');
      throw error;
    }
  }

  async #prepareDirect(): Promise<void> {
    try {
      await this.direct.refreshAddresses();
      const hasPeers = await this.direct.takeUp();
      const { view, directPort } = this.#options.known().state;
      const isMet = mastersOf(view).some(({ name }) => introducesMembers(view, name));
      if (directPort === undefined && (hasPeers || isMet)) await this.#choosePort('directPort');
    } catch (error) {
      this.#warn(error, 'no direct paths for now');
    }
  }

  async #choosePort(which: keyof Ports): Promise<void> {
    const host = await this.#dependencies.host;
    await this.#options.savePorts({ [which]: await host.freeUdpPort() });
  }

  async #changePort(which: keyof Ports): Promise<void> {
    try {
      await this.#options.exclusively(() => this.#choosePort(which));
    } catch (error) {
      this.#warn(error, 'no port for tunnels to other members');
    }
  }

  #warn(error: unknown, message: string): void {
    const fields = { membership: this.#options.files.name, reason: describeError(error) };
    this.#dependencies.log.warn(fields, message);
  }
}

function sealedKnowledge(
  { rootCertificate, keys, view, sealedPort }: MembershipState,
  masters: readonly TrustedMaster[],
) {
  return {
    rootCertificate,
    ownKey: keys.acting.publicKey,
    masterKeys: masters.map(({ publicKey }) => publicKey),
    key: view.key,
    phase: view.keying,
    ...(sealedPort === undefined ? {} : { port: sealedPort }),
  };
}
