import { openStore } from '../../src/store/open-store.ts';
import { monotonicMs } from '../crowd/monotonic-ms.ts';

/** Watches a store and answers every put, whose value is the time at which it was begun, with its age. */
async function main(url: string): Promise<void> {
  const stop = new AbortController();
  process.once('disconnect', () => stop.abort());
  await using store = await openStore(url);
  const { revision } = await store.range('watch/');
  const changes = store.watch({ prefixes: ['watch/'], afterRevision: revision }, stop.signal);
  process.send?.('ready');
  for await (const batch of changes) {
    for (const change of batch.changes) {
      if (change.kind !== 'put') continue;
      process.send?.(monotonicMs() - Number(Buffer.from(change.entry.value).toString()));
    }
  }
}

await main(process.argv[2] ?? '');
