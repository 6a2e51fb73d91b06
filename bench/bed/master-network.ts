import { createRunner } from '../../src/host/runner.ts';

/*
 * Inside a sandbox: each master has a network namespace of its own, as it has a machine of its own
 * elsewhere; a bridge joins them to the sandbox, where the simulated members and the operator are.
 */

const bridge = 'bench';
const gateway = '172.31.0.1';
/** All of it is the sandbox's own: every simulated member comes from another address. */
const membersNetwork = '172.30.0.0/16';
const timeoutMs = 10_000;

/** The namespace of a master of a VPN, and its address there. */
export interface MasterPlace {
  readonly namespace: string;
  readonly address: string;
}

export function masterPlace(vpnNumber: number, index: number): MasterPlace {
  return {
    namespace: `bench-${vpnNumber}-${index}`,
    address: `172.31.${vpnNumber}.${10 + index}`,
  };
}

/** @param place below 65,000 */
export function memberAddress(place: number): string {
  return `172.30.${(place >> 8) & 255}.${place & 255}`;
}

/** Of the sandbox itself, which masters reach; above all members'. @param index below 250 */
export function serverAddress(index: number): string {
  return `172.30.255.${1 + index}`;
}

/** To be called once in a sandbox, before any master's. */
export async function createBridge(): Promise<void> {
  await runIp([
    `link add ${bridge} type bridge forward_delay 0`,
    `address add ${gateway}/16 dev ${bridge}`,
    `link set ${bridge} up`,
    `route add local ${membersNetwork} dev lo`,
  ]);
}

export async function createMasterNetwork({ namespace, address }: MasterPlace): Promise<void> {
  const port = namespace.replace('bench-', 'port');
  await runIp([
    `netns add ${namespace}`,
    `link add ${port} type veth peer name eth0 netns ${namespace}`,
    `link set ${port} master ${bridge} up`,
  ]);
  await runIp(
    [
      'link set lo up',
      `address add ${address}/16 dev eth0`,
      'link set eth0 up',
      `route add ${membersNetwork} via ${gateway}`,
    ],
    namespace,
  );
}

async function runIp(lines: readonly string[], namespace?: string): Promise<void> {
  const runner = createRunner(namespace === undefined ? {} : { networkNamespace: namespace });
  await runner.run('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n`, timeoutMs });
}
