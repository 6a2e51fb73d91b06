/**
 * nftables rules that drop all that arrives at a device, before anything else sees it: not even
 * ARP passes, while the carrier stays.
 */
export function renderCut(device: string): string {
  return `${renderUncut(device)}table netdev ${tableOf(device)} {
  chain everything {
    type filter hook ingress device "${device}" priority -500; policy drop;
  }
}
`;
}

/** The rules that undo it, whether or not there is anything to undo. */
export function renderUncut(device: string): string {
  const table = tableOf(device);
  // Naming a table makes it, so that deleting it cannot fail.
  return `table netdev ${table}\ndelete table netdev ${table}\n`;
}

const tableOf = (device: string): string => `cut_${device}`;
