import { callLocal } from '../../api/client/local-client.ts';
import { localMeasure, localMeasurements } from '../../api/member-measurements.ts';
import type { CommandContext } from '../command-context.ts';
import type { DirectoryOptions, ListingOptions } from '../common-options.ts';
import { memberSocketOf } from '../member-socket.ts';
import { writeJson } from '../output/json.ts';
import { formatMeasurements } from '../output/measurement-table.ts';

export interface MeasureOptions extends DirectoryOptions, ListingOptions {
  readonly now?: boolean;
}

/** What this machine's member knows of how well it is connected to masters. */
export async function measureAction(
  options: MeasureOptions,
  { terminal, signal }: CommandContext,
): Promise<undefined> {
  const endpoint = options.now ? localMeasure : localMeasurements;
  const reply = await callLocal(memberSocketOf(options), endpoint, undefined, { signal });
  if (options.json) {
    writeJson(terminal.out, reply);
    return;
  }
  const nowMs = Date.now();
  const parts = reply.memberships.map((measured) => formatMeasurements(measured, nowMs));
  terminal.out.write(parts.length === 0 ? 'no membership runs here\n' : parts.join('\n'));
}
