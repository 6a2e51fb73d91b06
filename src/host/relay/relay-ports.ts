import { HostError } from '../host-error.ts';

/** UDP ports that nothing else on this machine uses. */
export interface PortRange {
  /** 1 to 65,535. */
  readonly first: number;
  /** At least 2; each pair takes two, so half of it bounds the pairs. */
  readonly count: number;
}

/** Which ports of a range are free. One that comes back is the last to be taken again. */
export class RelayPorts {
  readonly #free: number[];
  readonly #count: number;

  /** @throws RangeError when no such ports exist */
  constructor({ first, count }: PortRange) {
    if (!(first >= 1 && count >= 2 && first + count - 1 <= 65_535)) {
      throw new RangeError(`${count} ports from ${first} on are no range for a relay`);
    }
    this.#count = count;
    this.#free = Array.from({ length: count }, (_, index) => first + index);
  }

  /** @throws HostError `relay-full` */
  takeTwo(): readonly [number, number] {
    const [one, other] = this.#free;
    if (one === undefined || other === undefined) {
      const pairs = Math.floor(this.#count / 2);
      throw new HostError(`all ${pairs} pairs that the relay's ports suffice for are open`, {
        code: 'relay-full',
        fields: { pairs },
        retryable: true,
      });
    }
    this.#free.splice(0, 2);
    return [one, other];
  }

  giveBack(ports: readonly number[]): void {
    this.#free.push(...ports);
  }
}
