import type { SubsetName } from '../../model/names.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Log } from '../../runtime/log.ts';
import { rollPrefix } from '../../store/keys.ts';
import type { Store } from '../../store/store.ts';
import { loadRoll, Roll } from './roll.ts';

export interface RollFollowerDependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Gets the roll, which goes on changing. Called anew when history was lost and it had to be read again. */
  readonly publish: (roll: Roll) => void;
  readonly onRollEvents: (subset: SubsetName, count: number) => void;
}

const retryMs = 1_000;

/** Keeps a backup's copy of a roll, so that it is warm when it is needed. Runs until the signal is aborted. */
export async function followRoll(
  subset: SubsetName,
  dependencies: RollFollowerDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { store, clock, log, publish, onRollEvents } = dependencies;
  while (!signal.aborted) {
    try {
      const { roll, revision } = await loadRoll(subset, store);
      publish(roll);
      for await (const batch of store.watch(
        { prefixes: Roll.prefixesOf(subset), afterRevision: revision },
        signal,
      )) {
        for (const change of batch.changes) roll.apply(change);
        onRollEvents(subset, batch.changes.length);
      }
    } catch (error) {
      if (!signal.aborted)
        log.warn(
          { subset, prefix: rollPrefix(subset), error },
          'following a roll failed; reading it anew',
        );
    }
    await clock.sleep(retryMs, signal).catch(() => undefined);
  }
}
