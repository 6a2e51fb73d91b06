import type { Address } from '../../model/prefix.ts';

/** One end of a pair, and what we keep for it. */
export interface RelayLeg {
  /** From where alone the end is heard. */
  readonly address: Address;
  /** Of ours (UDP): the end sends to it what is for the other one, and hears that one from it. */
  readonly port: number;
}

export interface RelayedPair {
  /** Whoever opens pairs chooses it. */
  readonly id: string;
  readonly first: RelayLeg;
  readonly second: RelayLeg;
}

/** What has been sent on, both ways together, since the pair was opened. */
export interface RelayedTraffic {
  /** In the kernel, segments that it carries as one packet count as one. */
  readonly packets: number;
  /** In the kernel with IP headers, else WireGuard's datagrams alone. */
  readonly bytes: number;
}

/** Who carries the datagrams. */
export interface RelayCarrier extends AsyncDisposable {
  /**
   * @returns false when it cannot carry such a pair
   * @throws HostError then, too, it carries nothing for the pair
   */
  open(pair: RelayedPair): Promise<boolean>;
  /** Harmless for a pair that it does not have. */
  close(id: string): Promise<void>;
  /** Of each of its pairs, by id. @throws HostError */
  readTraffic(): Promise<ReadonlyMap<string, RelayedTraffic>>;
}

/** Both legs, each with the one that its datagrams leave by. */
export function directionsOf({ first, second }: RelayedPair): readonly RelayDirection[] {
  return [
    { from: first, to: second },
    { from: second, to: first },
  ];
}

export interface RelayDirection {
  readonly from: RelayLeg;
  readonly to: RelayLeg;
}
