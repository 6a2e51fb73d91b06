import type { MemberHost, PathWatch, TunnelObservation } from '../../src/member/member-host.ts';
import type { HostState, InterfaceState } from '../../src/model/host-state.ts';
import type { WatchedPath } from '../../src/paths/path-monitor.ts';

/** A machine whose whole network configuration is the last state that was applied. */
export class MemoryHost implements MemberHost {
  readonly wireguard = { backend: 'kernel', version: '1.0' } as const;

  readonly applied: HostState[] = [];
  /** Thrown by the next applies, one each. */
  readonly failures: Error[] = [];
  overlap: Error | undefined;
  /** The tunnels that are to be watched. */
  watched: readonly WatchedPath[] = [];
  readonly #dead = new Set<string>();
  #onPathChange: () => void = () => {};

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

  watchPaths(onChange: () => void): PathWatch {
    this.#onPathChange = onChange;
    return {
      set: (paths) => {
        this.watched = paths;
      },
      statuses: () =>
        new Map(
          this.watched.map(({ interfaceName }) => {
            const isAlive = !this.#dead.has(interfaceName);
            return [interfaceName, { isAlive, isProven: true, sinceMs: 1 }] as const;
          }),
        ),
      probe: () => new Promise(() => {}),
      run: (signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true });
        }),
    };
  }

  /** The tunnel dies or comes back. */
  setAlive(interfaceName: string, isAlive: boolean): void {
    if (isAlive) this.#dead.delete(interfaceName);
    else this.#dead.add(interfaceName);
    this.#onPathChange();
  }
}
