import type { Conversation } from '../../src/host/firewall/conversation-listing.ts';
import type { Host, PeerObservation } from '../../src/host/host.ts';
import type { HostState, PeerState } from '../../src/model/host-state.ts';

/** A machine for a master, whose network is whatever was applied last. */
export class MasterHost implements Host {
  readonly backend = { kind: 'kernel' } as const;
  state: HostState = { interfaces: [] };
  /** Thrown by the next applies, one each. */
  readonly failures: Error[] = [];

  /** While set, an apply lasts until it resolves. */
  held: Promise<void> | undefined;

  /** Towards members; the first interface of a master's plan. */
  get memberPeers(): readonly PeerState[] {
    return this.state.interfaces[0]?.peers ?? [];
  }

  async apply(state: HostState): Promise<void> {
    const failure = this.failures.shift();
    if (failure) throw failure;
    await this.held;
    this.state = state;
  }

  /** What each tunnel has carried, both ways. */
  bytesOfPeer = 3;

  /** Who talks to whom; nobody unless said. */
  talks: readonly Conversation[] = [];

  async conversations(): Promise<readonly Conversation[]> {
    return this.talks;
  }

  /** A look sees them as if they had begun just now. */
  async begunConversations(): Promise<readonly Conversation[]> {
    return this.talks;
  }

  async observeInterface(name: string): Promise<readonly PeerObservation[]> {
    return (await this.observe()).filter(({ interfaceName }) => interfaceName === name);
  }

  async observe(): Promise<readonly PeerObservation[]> {
    return this.state.interfaces.flatMap(({ name, peers }) =>
      peers.map(({ publicKey }) => ({
        interfaceName: name,
        publicKey,
        latestHandshakeMs: Date.now(),
        receivedBytes: this.bytesOfPeer - 2,
        sentBytes: 2,
      })),
    );
  }

  async observeDrops() {
    return { spoofed: 3, outside_vpn: 0, foreign_interface: 0, not_gateway: 0, not_sealed: 0 };
  }

  async destroy(): Promise<void> {
    this.state = { interfaces: [] };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
