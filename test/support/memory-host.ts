import type { MemberHost, TunnelObservation } from '../../src/member/member-host.ts';
import type { HostState, InterfaceState } from '../../src/model/host-state.ts';

/** A machine whose whole network configuration is the last state that was applied. */
export class MemoryHost implements MemberHost {
  readonly wireguard = { backend: 'kernel', version: '1.0' } as const;

  readonly applied: HostState[] = [];
  /** Thrown by the next applies, one each. */
  readonly failures: Error[] = [];
  overlap: Error | undefined;

  get interfaces(): readonly InterfaceState[] {
    return this.applied.at(-1)?.interfaces ?? [];
  }

  async apply(state: HostState): Promise<void> {
    const failure = this.failures.shift();
    if (failure) throw failure;
    this.applied.push(state);
  }

  async tunnelMtuBytes(): Promise<number> {
    return 1_420;
  }

  async observe(): Promise<ReadonlyMap<string, TunnelObservation>> {
    return new Map(
      this.interfaces.map(({ name }) => [name, { receivedBytes: 10, sentBytes: 20 }] as const),
    );
  }

  async assertNoOverlap(): Promise<void> {
    if (this.overlap) throw this.overlap;
  }
}
