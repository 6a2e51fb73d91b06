import { type Address, familyOf, hostPrefix } from '../../model/prefix.ts';

/** What an interface is like, as far as `ip link` and `ip address` are concerned. */
export interface LinkState {
  readonly isUp: boolean;
  readonly alias: string;
  readonly mtuBytes: number;
  readonly addresses: readonly Address[];
  readonly linkLocal?: Address;
}

/** Lines for `ip -batch`. Between the two, routes are moved to the new addresses. */
export interface LinkChanges {
  readonly before: readonly string[];
  /** Takes away addresses; the kernel would take their routes along. */
  readonly after: readonly string[];
  /** With an interface's last IPv4 address the kernel takes all its IPv4 routes, silently. */
  readonly losesIpv4Routes: boolean;
}

/** @param current absent for an interface that was made just now */
export function planLinkChanges(
  name: string,
  current: LinkState | undefined,
  wanted: LinkState,
): LinkChanges {
  const before: string[] = [];
  if (current?.alias !== wanted.alias) before.push(`link set dev ${name} alias ${wanted.alias}`);
  // As the kernel's WireGuard has it: no link-local address but the one that is given here, and no
  // router solicitation, since nobody behind a tunnel of ours could answer.
  if (!current?.isUp) before.push(`link set dev ${name} addrgenmode none`);
  if (current?.mtuBytes !== wanted.mtuBytes) {
    before.push(`link set dev ${name} mtu ${wanted.mtuBytes}`);
  }
  const had = new Set(current?.addresses);
  const wants = new Set(wanted.addresses);
  for (const address of wants.difference(had)) {
    before.push(`address replace ${hostPrefix(address)} dev ${name}${nodad(address)}`);
  }
  const moved = current?.linkLocal !== wanted.linkLocal;
  if (moved && wanted.linkLocal !== undefined) {
    before.push(`address replace ${wanted.linkLocal}/64 dev ${name} nodad`);
  }
  if (!current?.isUp && wanted.isUp) before.push(`link set dev ${name} up`);
  const after = [...had.difference(wants)].map(
    (address) => `address delete ${hostPrefix(address)} dev ${name}`,
  );
  if (moved && current?.linkLocal !== undefined) {
    after.push(`address delete ${current.linkLocal}/64 dev ${name}`);
  }
  const losesIpv4Routes = [...had].some(isIpv4) && ![...wants].some(isIpv4);
  return { before, after, losesIpv4Routes };
}

function isIpv4(address: Address): boolean {
  return familyOf(address) === 4;
}

/** An address is in doubt for a second otherwise, and nobody could object on such an interface. */
function nodad(address: Address): string {
  return isIpv4(address) ? '' : ' nodad';
}
