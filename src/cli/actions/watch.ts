import type { OperatorClient } from '../../api/client/operator-client.ts';
import type { DirectoryView } from '../../api/directory-endpoints.ts';
import { type LiveEvent, watchEvents } from '../../api/status-endpoints.ts';
import { describeError, HanseError } from '../../model/error.ts';
import { type MasterName, parseMasterName } from '../../model/names.ts';
import { Backoff } from '../../runtime/backoff.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { CommandContext } from '../command-context.ts';
import type { ListingOptions, OperatorOptions } from '../common-options.ts';
import { servingMasters } from '../member-sightings.ts';
import { asOperator } from '../operator-session.ts';
import { formatTime } from '../output/human-units.ts';
import { writeJsonLine } from '../output/json.ts';
import { printable } from '../output/table.ts';
import { requireSubset } from '../subset-lookup.ts';

export interface WatchOptions extends OperatorOptions, ListingOptions {
  readonly subset?: string;
  readonly master?: string;
}

/** Follows every master that matters until interrupted, which is its good end. */
export function watchAction(options: WatchOptions, context: CommandContext): Promise<undefined> {
  return asOperator(options, async (client) => {
    const directory = await client.directory(context.signal);
    const masters = mastersToWatch(directory, options);
    context.terminal.err.write(`watching ${masters.join(', ')}; end with Ctrl-C\n`);
    await Promise.all(masters.map((master) => follow(client, master, options, context)));
    return undefined;
  });
}

/** A subset's events happen at its acting master, its members' sessions with any that serves it. */
function mastersToWatch(directory: DirectoryView, options: WatchOptions): readonly MasterName[] {
  if (options.master !== undefined) return [parseMasterName(options.master)];
  if (options.subset === undefined) return directory.masters.map(({ name }) => name);
  return servingMasters(requireSubset(directory, options.subset));
}

async function follow(
  client: OperatorClient,
  master: MasterName,
  options: WatchOptions,
  { terminal, signal }: CommandContext,
): Promise<void> {
  const backoff = new Backoff({ minMs: 500, maxMs: 10_000 });
  while (!signal.aborted) {
    try {
      for await (const event of client.stream(watchEvents, {}, { master, signal })) {
        backoff.reset();
        if (!concerns(event, options.subset)) continue;
        if (options.json) writeJsonLine(terminal.out, { master, event });
        else terminal.out.write(`${formatEvent(master, event)}\n`);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof HanseError && error.retryable)) throw error;
      terminal.err.write(`hanse: ${describeError(error)}; trying again\n`);
    }
    // The only way to fail is the abort, which the loop's condition sees.
    await systemClock.sleep(backoff.nextDelayMs(), signal).catch(() => undefined);
  }
}

/** Refusals belong to no subset: whoever was refused may have lied about it. */
function concerns(event: LiveEvent, subset: string | undefined): boolean {
  if (subset === undefined) return true;
  if (event.type === 'refusal') return false;
  return (event.type === 'membership' ? event.entry.subset : event.subset) === subset;
}

function formatEvent(master: string, event: LiveEvent): string {
  const atMs = event.type === 'membership' ? event.entry.atMs : event.atMs;
  return `${formatTime(atMs)}  ${master}  ${printable(describeEvent(event))}`;
}

function describeEvent(event: LiveEvent): string {
  switch (event.type) {
    case 'membership': {
      const { action, subject, subset, actor, epoch } = event.entry;
      return `${action} ${subject} in ${subset} by ${actor}, epoch ${epoch}`;
    }
    case 'session': {
      const reason = event.reason === undefined ? '' : `: ${event.reason}`;
      return `${event.member}.${event.subset} ${event.change}${reason}`;
    }
    case 'refusal':
      return `refused (${event.code}): ${event.message}`;
  }
}
