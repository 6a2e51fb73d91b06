import type { LabProcess } from '../../lab/lab-process.ts';

/** Something that a daemon has noticed or done. */
export interface TimelineEntry {
  /** After the failure, or the return. */
  readonly afterMs: number;
  /** Whose log says so. */
  readonly node: string;
  readonly what: string;
}

/** A daemon of the demo, with its log. */
export interface Witness {
  readonly name: string;
  readonly process: LabProcess;
}

interface LogLine {
  /** ISO 8601. */
  readonly time: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** What is worth telling of a log line, by its message. */
const tellings: Readonly<Record<string, (line: LogLine) => string>> = {
  'traffic moved to another master': ({ master }) => `sends its traffic through ${master}`,
  'acting for the subset': ({ subset, epoch }) => `acts for ${subset}, at epoch ${epoch}`,
  session: ({ master, state }) => `has a session with ${master}, ${state}`,
};

/** What the daemons' logs say of the time since the moment, in the order of time. */
export async function readTimeline(
  witnesses: readonly Witness[],
  sinceMs: number,
): Promise<readonly TimelineEntry[]> {
  const entries = await Promise.all(witnesses.map((witness) => readLog(witness, sinceMs)));
  return entries.flat().sort((one, other) => one.afterMs - other.afterMs);
}

async function readLog({ name, process }: Witness, sinceMs: number): Promise<TimelineEntry[]> {
  const lines = (await process.output()).split('\n').filter((line) => line.startsWith('{'));
  return lines.flatMap((text) => {
    const line = JSON.parse(text) as LogLine;
    const telling = tellings[line.msg];
    const afterMs = Date.parse(line.time) - sinceMs;
    return telling && afterMs >= 0 ? [{ afterMs, node: name, what: telling(line) }] : [];
  });
}
