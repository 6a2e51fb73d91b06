import { createHash } from 'node:crypto';
import { interfaceNamePrefix } from '../model/host-state.ts';

/** What an interface is for; two interfaces of one node never agree in all three. */
export interface InterfaceIdentity {
  /** `VpnRecord.id`. */
  readonly vpnId: string;
  /** Unique in the VPN: the DNS name, since two subsets may have members of one name. */
  readonly node: string;
  /** Which class of paths, and towards whom if there are several: `acting`, `backbone:lubeck`. */
  readonly pathClass: string;
}

/** Linux allows 15 characters; 60 bits of a hash make a chance meeting on one machine impossible. */
const hashLength = 12;

/**
 * The name of an interface: always the same for the same identity, so that a restarted daemon finds
 * what it made, and different on the whole machine, because all network namespaces share
 * `wireguard-go`'s control sockets.
 */
export function interfaceName({ vpnId, node, pathClass }: InterfaceIdentity): string {
  return `${interfaceNamePrefix}${shortHash(JSON.stringify([vpnId, node, pathClass]))}`;
}

/** How a daemon marks what is its own. */
export interface OwnerMark {
  /** Shown by `ip link` as the alias of each of its interfaces. */
  readonly alias: string;
  /** Its nftables table, of the family `inet`. */
  readonly tableName: string;
  /** 0 to 2^18 - 1: which routing tables are its own, see `tableRange`. */
  readonly number: number;
}

/**
 * @param owner says whose it is to a person reading `ip link`, such as `VPN-ID/NODE`; one per
 *   daemon on the machine
 * @throws RangeError beyond letters, digits and `_.:/-`, or 200 characters: an alias ends at 255
 */
export function ownerMark(owner: string): OwnerMark {
  if (!/^[\w.:/-]{1,200}$/.test(owner)) throw new RangeError(`"${owner}" cannot be an alias`);
  const number = digestOf(owner).readUInt32BE() >>> 14;
  return { alias: `hanse:${owner}`, tableName: `hanse_${shortHash(owner)}`, number };
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function shortHash(text: string): string {
  return Array.from(digestOf(text).subarray(0, hashLength), (byte) =>
    (byte % 32).toString(32),
  ).join('');
}
