import {
  type DirectFacts,
  type DirectPeerFacts,
  type PlannedPeer,
  planDirectSteps,
} from '../../core/direct-plan.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';
import { LatestLoop } from '../../runtime/latest-loop.ts';
import { derivePresharedKey } from '../../trust/wireguard-keys.ts';
import type { HostKeeper } from '../host-keeper.ts';
import type { DirectKnowledge } from './direct-paths.ts';

export interface DirectHostOptions {
  readonly membership: string;
  readonly interfaceName: string;
}

export interface DirectHostDependencies {
  readonly hostKeeper: HostKeeper;
  readonly known: () => DirectKnowledge;
  /** What the host is to have now. */
  readonly wanted: () => readonly PlannedPeer[];
}

/** The direct interface as the host has it: moved step by step to what is wanted. */
export class DirectHost {
  readonly #options: DirectHostOptions;
  readonly #dependencies: DirectHostDependencies;
  readonly #loop = new LatestLoop(() => this.#move());
  #peers: readonly PlannedPeer[] = [];
  /** What the host has for certain. */
  #applied: readonly PlannedPeer[] = [];
  #isMade = false;

  constructor(options: DirectHostOptions, dependencies: DirectHostDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /**
   * As of the last step and of the newest key, so that whoever applies a new key changes nothing else;
   * undefined while there is no interface.
   */
  get facts(): DirectFacts | undefined {
    const { port } = this.#dependencies.known();
    if (!this.#isMade || port === undefined) return undefined;
    const { interfaceName } = this.#options;
    return { interfaceName, listenPort: port, peers: this.#peers.map((peer) => this.#keyed(peer)) };
  }

  /** Whether there is an interface, or is to be. */
  get isMade(): boolean {
    return this.#isMade;
  }

  /** There is to be an interface from the next step on. */
  make(): void {
    this.#isMade = true;
  }

  /** What is wanted becomes part of whatever is applied next: the membership's first state. */
  assume(): void {
    this.#isMade = true;
    this.#peers = this.#dependencies.wanted();
    this.#applied = this.#peers;
  }

  /** Whether the host has the peer, as it was put in that time. */
  has(key: WireguardPublicKey, installation: number): boolean {
    return this.#applied.some(
      (peer) => peer.publicKey === key && peer.installation === installation,
    );
  }

  /** Resolves when the host has what is wanted now. @throws HostError; then the host may have any of it */
  apply(): Promise<void> {
    return this.#loop.request();
  }

  /** As if there had never been an interface; `facts` say so from now on. */
  forget(): void {
    this.#isMade = false;
    this.#peers = [];
    this.#applied = [];
  }

  async #move(): Promise<void> {
    const { hostKeeper, wanted } = this.#dependencies;
    for (const step of planDirectSteps(this.#peers, wanted())) {
      this.#peers = step;
      await hostKeeper.setDirect(this.#options.membership, this.facts);
      this.#applied = step;
    }
  }

  #keyed(peer: PlannedPeer): DirectPeerFacts {
    const { key, ownKey } = this.#dependencies.known();
    const publicKeys: [WireguardPublicKey, WireguardPublicKey] = [ownKey, peer.publicKey];
    return { ...peer, presharedKey: derivePresharedKey({ ...key, publicKeys }) };
  }
}
