import assert from 'node:assert/strict';
import type { LabNode } from '../../../lab/lab-node.ts';
import type { LabMember } from '../../../lab/vpn/lab-member.ts';
import type { LabVpn } from '../../../lab/vpn/lab-vpn.ts';
import { isCutOff, reaches } from './reachability.ts';
import { vpnInterface } from './vpn-interface.ts';

/*
 * What an evicted member does that keeps its tunnels, routes and keys and has root on its machine. Its daemon
 * would take all that down, so it is killed first.
 */

/**
 * Evicts a member that keeps all it has, and asserts that nothing passes between it and the other one any more.
 * @returns what the command has said
 */
export async function assertPartedByEviction(
  vpn: LabVpn,
  thief: LabMember,
  other: LabMember,
): Promise<string> {
  await thief.kill();
  assert.ok(await reaches(thief, other.ipv4), 'its tunnels, routes and keys work on');
  const said = await vpn.hanse(['member', 'evict', thief.reference, '--wait', '20s']);
  for (const family of ['ipv4', 'ipv6'] as const) {
    assert.ok(await isCutOff(thief, other[family]), family);
    assert.ok(await isCutOff(other, thief[family]), family);
  }
  return said;
}

/** Its WireGuard interfaces, in the order of their making. */
export async function tunnelsOf(node: LabNode): Promise<readonly string[]> {
  const { stdout } = await node.run('ip', ['-br', 'link']);
  return Array.from(stdout.matchAll(/^(hns\w*)/gm), ([name]) => name);
}

/** What its tunnels have: peers, endpoints, allowed IPs, preshared keys and its private key; by their names. */
export async function copyTunnels({ node }: LabMember): Promise<ReadonlyMap<string, string>> {
  const configurations = (await tunnelsOf(node)).map(async (name) => {
    const { stdout } = await node.run('wg', ['showconf', name]);
    return [name, stdout] as const;
  });
  return new Map(await Promise.all(configurations));
}

/** Ends all its sessions and begins new handshakes with what was copied. */
export async function handshakeAnew(
  { node }: LabMember,
  copy: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [name, input] of copy) {
    await node.run('wg', ['setconf', name, '/dev/stdin'], { input });
  }
}

/** Forwards for others whatever comes, by all that it has. */
export async function forwardForOthers({ node }: LabMember): Promise<void> {
  await node.run('nft', ['flush', 'ruleset']);
  await node.run('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0']);
}

/** Sends what is for the address to a friend, over the direct tunnel between the two. */
export async function sendByFriend(
  { node }: LabMember,
  { friend, address }: { readonly friend: LabMember; readonly address: string },
): Promise<void> {
  const device = await vpnInterface(node, friend.ipv4);
  const { stdout: allowed } = await node.run('wg', ['show', device, 'allowed-ips']);
  const peer = allowed.split('\n').find((line) => line.includes(`${friend.ipv4}/32`));
  const [key = '', ...prefixes] = peer?.split(/\s+/).filter(Boolean) ?? [];
  const widened = [...prefixes, `${address}/32`].join(',');
  await node.run('wg', ['set', device, 'peer', key, 'allowed-ips', widened]);
  await node.run('ip', ['route', 'replace', address, 'dev', device]);
}
