/**
 * - `none`: routes, and the hosts have public addresses.
 * - `masquerade`: as most home routers: the source port is kept when it is free, so all
 *   destinations see one mapping, and only those written to may answer (RFC 4787:
 *   endpoint-independent mapping in practice, address-and-port-dependent filtering).
 * - `symmetric`: every destination sees another port, so what one of them reports helps no other.
 */
export type NatKind = 'none' | 'masquerade' | 'symmetric';

const translation: Record<Exclude<NatKind, 'none'>, string> = {
  masquerade: 'masquerade',
  symmetric: 'masquerade fully-random',
};

/** The nftables rules of a router that hides what is behind it from its uplink; none for `none`. */
export function renderNatRules(kind: NatKind, uplinkDevice: string): string {
  if (kind === 'none') return '';
  return `table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname "${uplinkDevice}" ${translation[kind]}
  }
}
table inet shield {
  chain forward {
    type filter hook forward priority filter
    iifname "${uplinkDevice}" ct state established,related accept
    iifname "${uplinkDevice}" drop
  }
}
`;
}
