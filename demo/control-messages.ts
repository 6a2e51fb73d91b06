import type { LabMaster } from '../lab/vpn/lab-master.ts';

/** Asked from inside the master's network namespace, because the metrics listen on loopback only. */
const fetchMetrics =
  'fetch(process.argv[1]).then((r) => r.text()).then((t) => process.stdout.write(t))';

/**
 * Control messages and store events that a master has received since it started, from its own
 * metrics: asking for these is not a control message, so that counting changes no count.
 */
export async function readControlMessages(master: LabMaster): Promise<number> {
  const { stdout } = await master.node.run(process.execPath, [
    '-e',
    fetchMetrics,
    `http://${master.metrics}/metrics`,
  ]);
  const samples = stdout.matchAll(
    /^hanse_(?:control_messages_received|store_events_received)_total\{[^}]*\} (\d+)$/gm,
  );
  return Array.from(samples, ([, value]) => Number(value)).reduce((sum, value) => sum + value, 0);
}
