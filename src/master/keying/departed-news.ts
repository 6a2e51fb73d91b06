import type { SharedKeyRecord } from '../../model/records/directory.ts';
import type { WireguardPublicKey } from '../../model/wireguard-key.ts';

/** Who is new in the list of those who have left, which comes whole with each key and is much the same as before. */
export class DepartedNews {
  #known: ReadonlySet<WireguardPublicKey> = new Set();

  /** @returns those who were not in the list before */
  take(departed: SharedKeyRecord['departed']): readonly WireguardPublicKey[] {
    const keys = new Set(departed.map(({ key }) => key));
    const news = keys.difference(this.#known);
    this.#known = keys;
    return [...news];
  }
}
