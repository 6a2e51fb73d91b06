import { readFileSync } from 'node:fs';
import { type Address, hostPrefix, prefixBits } from '../model/prefix.ts';

/** Follows the network namespace of this process, as `/proc/self/net/dev` does. */
const path = '/proc/self/net/if_inet6';

/** The IPv6 addresses of the machine, each with the index of its interface. */
export class LinkAddresses {
  readonly #indexes = new Map<string, number>();

  /** @param text lines of address, interface index, prefix length, scope, flags (hexadecimal), name */
  constructor(text: string) {
    for (const line of text.split('\n')) {
      const [address, index, , , , name] = line.split(/ +/);
      if (name !== undefined)
        this.#indexes.set(`${address} ${name}`, Number.parseInt(index ?? '', 16));
    }
  }

  /** Empty on a machine without IPv6. */
  static read(): LinkAddresses {
    try {
      return new LinkAddresses(readFileSync(path, 'latin1'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new LinkAddresses('');
      throw error;
    }
  }

  /**
   * Which interface of that name has the address. An interface that is made anew has another index.
   * @returns undefined when none has
   */
  indexOf(interfaceName: string, address: Address): number | undefined {
    return this.#indexes.get(`${hexadecimal(address)} ${interfaceName}`);
  }
}

function hexadecimal(address: Address): string {
  return prefixBits(hostPrefix(address)).first.toString(16).padStart(32, '0');
}
