import type { LabMaster } from '../../../lab/vpn/lab-master.ts';

/** Asked from inside the master's network namespace, because the metrics listen on loopback only. */
const fetchMetrics =
  'fetch(process.argv[1]).then((r) => r.text()).then((t) => process.stdout.write(t))';

/** One line of the Prometheus text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A master's metrics; asking for them is no control message and changes no count. */
export async function readSamples(master: LabMaster): Promise<readonly Sample[]> {
  const url = `http://${master.metrics}/metrics`;
  const { stdout } = await master.node.run(process.execPath, ['-e', fetchMetrics, url]);
  const lines = stdout.matchAll(/^(?<name>\w+)(?:\{(?<labels>[^}]*)\})? (?<value>\S+)$/gm);
  return Array.from(lines, ({ groups = {} }) => ({
    name: groups['name'] ?? '',
    labels: Object.fromEntries(
      Array.from((groups['labels'] ?? '').matchAll(/(\w+)="([^"]*)"/g), ([, key, value]) => [
        key ?? '',
        value ?? '',
      ]),
    ),
    value: Number(groups['value']),
  }));
}

/** The sum of all samples of a name that carry the labels; 0 for none. */
export async function readFigure(
  master: LabMaster,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const samples = await readSamples(master);
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) =>
      Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    )
    .reduce((sum, { value }) => sum + value, 0);
}

/** How often the master has said no, by the code that it gave. */
export function readRefusals(master: LabMaster, code: string): Promise<number> {
  return readFigure(master, 'hanse_refused_total', { code });
}

/** Control messages and changes of the store that the master has received since it started. */
export async function readReceived(master: LabMaster): Promise<number> {
  return (
    (await readFigure(master, 'hanse_control_messages_received_total')) +
    (await readFigure(master, 'hanse_store_events_received_total'))
  );
}
