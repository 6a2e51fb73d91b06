import { pino } from 'pino';
import type { Log } from '../../src/runtime/log.ts';

/** A log that a test can read, from `debug` upwards. */
export function capturedLog(): { readonly log: Log; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  return { log, lines };
}
