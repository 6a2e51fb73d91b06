import type { LabNode } from '../../lab/lab-node.ts';

const secondsPerRun = 3;
const startTimeoutMs = 10_000;

/**
 * One run of three seconds from one node to an address of another.
 * @param options of the client
 * @returns what the client reports, as `iperf3 --json` has it
 */
export async function runIperf(
  from: LabNode,
  to: LabNode,
  address: string,
  options: readonly string[] = [],
): Promise<unknown> {
  const serverArguments = ['--server', '--one-off', '--bind', address, '--forceflush'];
  await using server = await to.start('iperf3', serverArguments);
  await server.waitForOutput(/Server listening/, startTimeoutMs);
  const clientArguments = ['--client', address, '--time', String(secondsPerRun), ...options];
  const { stdout } = await from.run('iperf3', [...clientArguments, '--json']);
  return JSON.parse(stdout);
}
