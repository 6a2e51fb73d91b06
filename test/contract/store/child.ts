/*
 * Another process with the same store open: `node child.ts URL`, started by `StoreProcess`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { openStore } from '../../../src/store/open-store.ts';
import type { Store } from '../../../src/store/store.ts';
import { StoreError } from '../../../src/store/store-error.ts';
import type { ChildCommand, ChildReport } from './child-protocol.ts';

const store = await openStore(process.argv[2] ?? '');
const stop = new AbortController();

process.on('message', (command: ChildCommand) => {
  obey(command).then(
    () => report({ kind: 'done', command: command.kind }),
    (error: unknown) => report({ kind: 'failed', message: String(error) }),
  );
});
// The test has gone: nobody would ever end this process.
process.on('disconnect', () => process.exit());
report({ kind: 'ready' });

function report(message: ChildReport): void {
  process.send?.(message);
}

async function obey(command: ChildCommand): Promise<void> {
  switch (command.kind) {
    case 'write':
      return writeAll(command);
    case 'increment':
      for (let done = 0; done < command.count; done += 1) await increment(store, command.key);
      return;
    case 'watch':
      for await (const batch of store.watch(command.options, stop.signal))
        report({ kind: 'batch', batch });
      return;
    case 'hold':
      return hold(command);
    case 'act':
      return act(command);
    case 'attempt':
      return attempt(command);
    case 'close':
      stop.abort();
      await store[Symbol.asyncDispose]();
      process.disconnect();
  }
}

async function writeAll(command: ChildCommand & { kind: 'write' }): Promise<void> {
  const { prefix, atOnce, count = Number.POSITIVE_INFINITY } = command;
  let next = 0;
  const writeOn = async () => {
    while (next < count) {
      const number = next;
      next += 1;
      const value = Buffer.from(`${prefix} ${number}`);
      const { revision } = await store.transact({
        if: [],
        then: [
          { put: `${prefix}a/${number}`, value },
          { put: `${prefix}b/${number}`, value },
        ],
      });
      report({ kind: 'acknowledged', number, revision });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, writeOn));
}

async function increment(store: Store, key: string): Promise<void> {
  for (;;) {
    const entry = await store.get(key);
    const number = Number(Buffer.from(entry?.value ?? []).toString()) + 1;
    const result = await store.transact({
      if: [{ key, modRevision: entry?.modRevision ?? 0 }],
      then: [{ put: key, value: Buffer.from(String(number)) }],
    });
    if (result.succeeded) return;
  }
}

async function hold({ key, ttlMs }: ChildCommand & { kind: 'hold' }): Promise<void> {
  const lease = await store.grantLease(ttlMs);
  await store.transact({ if: [], then: [{ put: key, value: Buffer.from('held'), lease }] });
  report({ kind: 'held', lease });
}

async function act({ key, ttlMs }: ChildCommand & { kind: 'act' }): Promise<void> {
  const lease = await store.grantLease(ttlMs);
  const held = await store.transact({
    if: [{ key, modRevision: 0 }],
    then: [{ put: key, value: Buffer.from('held'), lease }],
  });
  const keeping = setInterval(() => {
    // That it is over is learnt from the condition.
    store.keepLeaseAlive(lease).catch(() => undefined);
  }, ttlMs / 5);
  for (let number = 0; ; number += 1) {
    const { succeeded, revision } = await store.transact({
      if: [{ key, modRevision: held.revision }],
      then: [{ put: `${key}/written`, value: Buffer.from(`${number}`) }],
    });
    if (!succeeded) break;
    report({ kind: 'acknowledged', number, revision });
    await delay(20);
  }
  clearInterval(keeping);
  report({ kind: 'deposed' });
}

async function attempt({ what, key }: ChildCommand & { kind: 'attempt' }): Promise<void> {
  try {
    if (what === 'put') {
      await store.transact({ if: [], then: [{ put: key, value: Buffer.from('value') }] });
      report({ kind: 'attempted', outcome: 'done' });
      return;
    }
    const entry = await store.get(key);
    const value = entry && Buffer.from(entry.value).toString();
    report({ kind: 'attempted', outcome: 'done', ...(value === undefined ? {} : { value }) });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    report({ kind: 'attempted', outcome: error.code });
  }
}
