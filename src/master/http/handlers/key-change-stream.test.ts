import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { parseSubsetName } from '../../../model/names.ts';
import type { StoredGroupKey } from '../../group-key-store.ts';
import type { SessionHub } from '../../session/session-hub.ts';
import type { SubsetState } from '../../subset/subset-state.ts';
import { KeyChangeStream } from './key-change-stream.ts';

/** One that only counts who listens. */
class CountingHub {
  listeners = 0;

  onAcknowledged(): () => void {
    this.listeners += 1;
    return () => {
      this.listeners -= 1;
    };
  }
}

const subset = parseSubsetName('hamburg');
const made = { key: { revision: 7, epoch: 3 } as StoredGroupKey, describe: async () => ({}) };

test('nobody listens for whoever was gone when the change was made, and never takes the stream', async () => {
  const hub = new CountingHub();
  const changes = new KeyChangeStream({
    hub: hub as unknown as SessionHub,
    clock: new ManualClock(),
  });
  const caller = new AbortController();
  const make = async () => {
    caller.abort();
    return made;
  };
  await changes.begin({ subset } as SubsetState, { make, waitMs: 0 }, caller.signal);
  assert.equal(hub.listeners, 0);
});

test('nobody listens when the change was not made', async () => {
  const hub = new CountingHub();
  const changes = new KeyChangeStream({
    hub: hub as unknown as SessionHub,
    clock: new ManualClock(),
  });
  const make = () => Promise.reject(new Error('no quorum'));
  const { signal } = new AbortController();
  await assert.rejects(changes.begin({ subset } as SubsetState, { make, waitMs: 0 }, signal));
  assert.equal(hub.listeners, 0);
});
