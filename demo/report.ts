import type { EvictionFigure } from './eviction.ts';
import type { FlowFigure } from './failover/failover.ts';
import type { TimelineEntry } from './failover/timeline.ts';
import type { JoinFigure } from './member-joins.ts';
import type { PairFigure } from './pair-pings.ts';

/** Writes for people, on standard error when standard output is for JSON. */
export class Report {
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  step(text: string): void {
    this.#write(`\n== ${text}`);
  }

  line(text: string): void {
    this.#write(`   ${text}`);
  }

  join({ member, subset, ipv4, ipv6, joinedAfterMs }: JoinFigure): void {
    this.line(
      `${member.padEnd(8)} joined ${subset.padEnd(9)} ${ipv4.padEnd(13)} ${ipv6.padEnd(22)} ${joinedAfterMs} ms`,
    );
  }

  pairs(pairs: readonly PairFigure[]): void {
    const rows = pairs.map(({ from, to, ipv4Ms, ipv6Ms, path }) => [
      from,
      to,
      formatMs(ipv4Ms),
      formatMs(ipv6Ms),
      `via ${path.join(', ')}${path.length === 1 ? ' at first' : ''}`,
    ]);
    this.#table(['FROM', 'TO', 'IPV4 MS', 'IPV6 MS', 'PATH'], rows);
  }

  throughput(what: string, mbitPerSecond: number): void {
    this.line(`${what.padEnd(38)} ${mbitPerSecond} Mbit/s`);
  }

  eviction({
    member,
    removedAfterMs,
    acknowledged,
    pending,
    messages,
    stillReached,
  }: EvictionFigure): void {
    this.line(`${member} was removed after ${removedAfterMs} ms`);
    for (const { member: name, afterMs } of acknowledged)
      this.line(`${name} applied it after ${afterMs} ms`);
    for (const name of pending) this.line(`${name} has not applied it`);
    this.line(
      `${member}, which still runs, ${stillReached ? 'STILL REACHES' : 'no longer reaches'} the others`,
    );
    this.#table(
      ['MASTER', 'CONTROL MESSAGES RECEIVED BECAUSE OF IT'],
      messages.map(({ master, count }) => [master, String(count)]),
    );
  }

  timeline(entries: readonly TimelineEntry[]): void {
    const rows = entries.map(({ afterMs, node, what }) => [`${afterMs} ms`, node, what]);
    this.#table(['AFTER', 'NODE', 'WHAT'], rows);
  }

  flows(flows: readonly FlowFigure[]): void {
    const rows = flows.map(({ from, to, sent, lost, gapMs }) => [
      ...[from, to, String(sent), String(lost)],
      lost === 0 ? 'none' : `${gapMs} ms`,
    ]);
    this.#table(['FROM', 'TO', 'PACKETS', 'LOST', 'LONGEST GAP'], rows);
  }

  verdict(problems: readonly string[]): void {
    this.step(problems.length === 0 ? 'everything held' : 'not everything held');
    for (const problem of problems) this.line(problem);
  }

  #table(header: readonly string[], rows: readonly (readonly string[])[]): void {
    const widths = header.map((title, column) =>
      Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
    );
    for (const row of [header, ...rows]) {
      this.line(
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd(),
      );
    }
  }
}

function formatMs(ms: number | undefined): string {
  return ms === undefined ? 'none' : ms.toFixed(2);
}
