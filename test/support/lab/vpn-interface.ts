import type { LabNode } from '../../../lab/lab-node.ts';

/**
 * The name of the node's WireGuard interface: the only one of a member, or the one that the route to an address
 * takes.
 */
export async function vpnInterface(node: LabNode, towards?: string): Promise<string> {
  if (towards !== undefined) {
    const { stdout } = await node.run('ip', ['route', 'get', towards]);
    return matchOf(/ dev (hns\S*)/, stdout);
  }
  // `wg show interfaces` would tell of every namespace's: wireguard-go keeps its sockets in one directory.
  const { stdout } = await node.run('ip', ['-br', 'link']);
  return matchOf(/^(hns\S*)/m, stdout);
}

function matchOf(pattern: RegExp, text: string): string {
  const name = pattern.exec(text)?.[1];
  if (name !== undefined) return name;
  throw new Error(`expected a WireGuard interface of ours, got: ${text}`);
}
