import type { View } from '../api/messages.ts';
import type { AdmissionFacts } from '../core/member-plan.ts';
import { hostOf } from '../model/endpoint.ts';
import { describeError } from '../model/error.ts';
import { parseAddress } from '../model/prefix.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { derivePresharedKey } from '../trust/wireguard-keys.ts';
import type { HostKeeper } from './host-keeper.ts';
import { type TrustedMaster, type TrustedMasters, trustedMastersOf } from './master-trust.ts';
import type { MemberIdentity } from './member-directory.ts';
import type { MemberHost } from './member-host.ts';
import type {
  MembershipEndReason,
  MembershipFiles,
  MembershipState,
  Tombstone,
} from './membership-files.ts';
import { checkOwnChain } from './own-chain.ts';
import { type ResolveHost, resolveEndpoint } from './resolve-endpoint.ts';
import type { ClientCredentials } from './tls-connection.ts';
import { validityOf } from './validity.ts';

/** What every IPv6 link can carry (RFC 8200 §5): until the way to the master is known. */
export const cautiousMtuBytes = 1_280;

export interface MembershipDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Promise<MemberHost>;
  readonly hostKeeper: HostKeeper;
  readonly resolveHost: ResolveHost;
}

/**
 * What one membership knows, kept the same on the disk and in the host: first the disk, then the
 * host, so that a crash in between leaves the newer view to be applied at the next start.
 *
 * Its methods that change something are called by one loop, one at a time.
 */
export class Membership {
  readonly name: string;
  readonly interfaceName: string;
  readonly #files: MembershipFiles;
  readonly #identity: MemberIdentity;
  readonly #dependencies: MembershipDependencies;
  #state: MembershipState;
  #masters: TrustedMasters | undefined;
  /** The acting master that the endpoint below is of. */
  #resolved: TrustedMaster | undefined;
  /** Numeric. */
  #endpoint: string | undefined;
  #mtuBytes = cautiousMtuBytes;

  constructor(
    options: {
      readonly files: MembershipFiles;
      readonly state: MembershipState;
      readonly identity: MemberIdentity;
      readonly interfaceName: string;
    },
    dependencies: MembershipDependencies,
  ) {
    this.name = options.files.name;
    this.interfaceName = options.interfaceName;
    this.#files = options.files;
    this.#state = options.state;
    this.#identity = options.identity;
    this.#dependencies = dependencies;
  }

  /** What it shows to masters of its VPN. */
  get credentials(): ClientCredentials {
    return { chain: this.#state.chain, privateKeyPem: this.#identity.privateKeyPem };
  }

  get state(): MembershipState {
    return this.#state;
  }

  /** Absent while the stored view's certificates cannot be trusted any more. */
  get masters(): TrustedMasters | undefined {
    return this.#masters;
  }

  /** What the host has applied; 0 makes the acting master send the whole view. */
  get appliedRevision(): number {
    return this.#masters ? this.#state.view.revision : 0;
  }

  /** Whether the own certificate has run out: no master takes it but to renew it. */
  hasExpired(): boolean {
    return validityOf(this.#state.chain).endsAtMs < this.#dependencies.clock.nowMs();
  }

  /**
   * Brings the host to the stored view, with the acting master's name resolved anew.
   * When the view's certificates have run out since, the host gets nothing of it: the next session
   * starts with the whole view.
   */
  async bringUp(): Promise<void> {
    const { log } = this.#dependencies;
    try {
      this.#masters = await this.#trust(this.#state.view);
    } catch (error) {
      this.#masters = undefined;
      log.warn({ membership: this.name, reason: describeError(error) }, 'stored view not usable');
      return;
    }
    await this.#resolve(this.#masters.acting);
    await this.#apply(this.#masters.acting);
  }

  /**
   * Takes a newer view: checked, then on the disk, then in the host.
   * @throws MemberError `untrusted-master`; nothing has changed then
   */
  async acceptView(view: View): Promise<void> {
    const masters = await this.#trust(view);
    await this.#save({ ...this.#state, view });
    this.#masters = masters;
    if (!isSameEndpoint(masters.acting, this.#resolved)) await this.#resolve(masters.acting);
    await this.#apply(masters.acting);
  }

  /** Takes a younger certificate. @throws MemberError `bad-message` when it is not this member's */
  async acceptChain(chain: readonly string[]): Promise<void> {
    const { place, rootCertificate, keys } = this.#state;
    await checkOwnChain([...chain], {
      place,
      rootCertificate,
      identityKey: this.#identity.identityKey,
      wireguardKey: keys.acting.publicKey,
      nowMs: this.#dependencies.clock.nowMs(),
    });
    await this.#save({ ...this.#state, chain: [...chain] });
  }

  /** Forgets it: why on the disk, then the keys from the disk, then everything from the host. */
  async end(reason: MembershipEndReason): Promise<Tombstone> {
    const { vpn, subset, name } = this.#state.place;
    const endedAtMs = this.#dependencies.clock.nowMs();
    const tombstone: Tombstone = { version: 1, vpn: vpn.name, subset, name, reason, endedAtMs };
    await this.#files.writeEnded(tombstone);
    await this.#dependencies.hostKeeper.remove(this.name);
    return tombstone;
  }

  async #save(state: MembershipState): Promise<void> {
    await this.#files.writeState(state);
    this.#state = state;
  }

  #trust(view: View): Promise<TrustedMasters> {
    const { place, rootCertificate } = this.#state;
    const nowMs = this.#dependencies.clock.nowMs();
    return trustedMastersOf(view, { vpn: place.vpn.name, rootCertificate, nowMs });
  }

  async #apply(acting: TrustedMaster): Promise<void> {
    const { hostKeeper } = this.#dependencies;
    const { keys, joinedAtMs } = this.#state;
    await hostKeeper.set(this.name, joinedAtMs, {
      interfaceName: this.interfaceName,
      privateKey: keys.acting.privateKey,
      mtuBytes: this.#mtuBytes,
      admission: this.#admission(acting),
    });
  }

  #admission({ publicKey }: TrustedMaster): AdmissionFacts {
    const { place, view, keys } = this.#state;
    const presharedKey = derivePresharedKey({
      groupKey: view.key.groupKey,
      epoch: view.key.epoch,
      publicKeys: [keys.acting.publicKey, publicKey],
    });
    const acting = { publicKey, presharedKey };
    return {
      vpnId: place.vpn.id,
      prefixes: place.vpn.prefixes,
      ipv4: place.ipv4,
      ipv6: place.ipv6,
      acting: this.#endpoint === undefined ? acting : { ...acting, endpoint: this.#endpoint },
    };
  }

  /** Keeps what it had when there is no resolver or no route now: it may still be right. */
  async #resolve(acting: TrustedMaster): Promise<void> {
    const { resolveHost, log } = this.#dependencies;
    const { name, wireguard } = acting;
    if (!isSameEndpoint(acting, this.#resolved)) this.#endpoint = undefined;
    this.#resolved = acting;
    try {
      this.#endpoint = await resolveEndpoint(wireguard.host, wireguard.port, resolveHost);
      const host = await this.#dependencies.host;
      this.#mtuBytes = await host.tunnelMtuBytes(parseAddress(hostOf(this.#endpoint)));
    } catch (error) {
      const fields = { membership: this.name, master: name, reason: describeError(error) };
      log.warn(fields, 'no way to the acting master is known');
    }
  }
}

function isSameEndpoint(a: TrustedMaster, b: TrustedMaster | undefined): boolean {
  return a.wireguard.host === b?.wireguard.host && a.wireguard.port === b.wireguard.port;
}
