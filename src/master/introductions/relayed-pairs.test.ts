import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capturedLog } from '../../../test/support/captured-log.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { HostError } from '../../host/host-error.ts';
import type { OpenPair, PairRequest, Relay } from '../../host/relay/relay.ts';
import type { RelayedTraffic } from '../../host/relay/relayed-pair.ts';
import type { KeyingPhase } from '../../model/records/directory.ts';
import { createWireguardKeyPair } from '../../trust/wireguard-keys.ts';
import { type RelayedMember, RelayedPairs } from './relayed-pairs.ts';

const member = (endpoint: string): RelayedMember => ({
  key: createWireguardKeyPair().publicKey,
  endpoint,
});
const anna = member('198.51.100.1:1111');
const berta = member('198.51.100.2:2222');
const carl = member('[2001:db8::3]:3333');

/** A relay in memory, with what it was asked for. */
class MemoryRelay implements Relay {
  readonly kind = 'kernel';
  readonly traffic = new Map<string, RelayedTraffic>();
  readonly opened = new Map<string, PairRequest>();
  failure: Error | undefined;
  isDisposed = false;

  async open(request: PairRequest): Promise<OpenPair> {
    this.#mayFail();
    this.opened.set(request.id, request);
    this.traffic.set(request.id, { packets: 0, bytes: 0 });
    return { firstPort: 61_000, secondPort: 61_001, kind: 'kernel' };
  }

  async close(id: string): Promise<void> {
    this.#mayFail();
    this.opened.delete(id);
    this.traffic.delete(id);
  }

  async readTraffic(): Promise<ReadonlyMap<string, RelayedTraffic>> {
    this.#mayFail();
    return new Map(this.traffic);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
  }

  #mayFail(): void {
    if (this.failure) throw this.failure;
  }
}

function relaying(phase: KeyingPhase = 'shared') {
  const clock = new ManualClock();
  const { log, lines } = capturedLog();
  const relay = new MemoryRelay();
  const directory = { keyingPhase: phase };
  const made = { count: 0 };
  const createRelay = async () => {
    made.count += 1;
    return relay;
  };
  const pairs = new RelayedPairs({ clock, log, directory, createRelay });
  const pass = (packets: number, bytes: number) => {
    for (const id of relay.opened.keys()) relay.traffic.set(id, { packets, bytes });
  };
  return { pairs, relay, clock, lines, directory, made, pass };
}

test('a pair is opened for the addresses where its members were seen, by a relay that is made once', async () => {
  const { pairs, relay, made } = relaying();
  const open = await pairs.open(anna, berta);
  await pairs.open(anna, carl);
  assert.deepEqual([open?.firstPort, open?.secondPort, made.count], [61_000, 61_001, 1]);
  assert.deepEqual(
    [...relay.opened.values()].map(({ first, second }) => [first.address, second.address]),
    [
      ['198.51.100.1', '198.51.100.2'],
      ['198.51.100.1', '2001:db8::3'],
    ],
  );
  assert.equal(pairs.figures.pairs, 2);
  await pairs[Symbol.asyncDispose]();
  assert.ok(relay.isDisposed);
});

for (const phase of ['per-subset', 'changing'] as const) {
  test(`nothing is relayed while the keying is ${phase}`, async () => {
    const { pairs, made } = relaying(phase);
    assert.equal(await pairs.open(anna, berta), undefined);
    await pairs.lookAfter();
    assert.deepEqual([made.count, pairs.figures.pairs], [0, 0]);
  });
}

test('nothing is relayed by a master that has no relay', async () => {
  const { clock } = relaying();
  const { log } = capturedLog();
  const pairs = new RelayedPairs({ clock, log, directory: { keyingPhase: 'shared' } });
  assert.equal(await pairs.open(anna, berta), undefined);
  await pairs[Symbol.asyncDispose]();
});

test('a pair that nobody uses for three minutes is closed, and one that is used stays', async () => {
  const { pairs, relay, clock, pass } = relaying();
  await pairs.open(anna, berta);
  for (const packets of [1, 2]) {
    clock.advance(179_999);
    pass(packets, 100 * packets);
    await pairs.lookAfter();
    assert.equal(relay.opened.size, 1);
  }
  assert.deepEqual(pairs.figures, { pairs: 1, packets: 2, bytes: 200 });
  clock.advance(179_999);
  await pairs.lookAfter();
  assert.equal(relay.opened.size, 1);
  clock.advance(1);
  await pairs.lookAfter();
  assert.equal(relay.opened.size, 0);
  assert.deepEqual(pairs.figures, { pairs: 0, packets: 2, bytes: 200 });
});

test('counters that begin anew are counted from nothing', async () => {
  const { pairs, pass } = relaying();
  await pairs.open(anna, berta);
  pass(10, 1_000);
  await pairs.lookAfter();
  pass(3, 300);
  await pairs.lookAfter();
  assert.deepEqual(pairs.figures, { pairs: 1, packets: 13, bytes: 1_300 });
});

test('what a member that leaves had is closed, also when that fails at first', async () => {
  const { pairs, relay } = relaying();
  await pairs.open(anna, berta);
  await pairs.open(berta, carl);
  relay.failure = new HostError('nft is gone', { code: 'missing-program' });
  pairs.end(anna.key);
  await pairs.lookAfter();
  assert.equal(pairs.figures.pairs, 2);
  relay.failure = undefined;
  await pairs.lookAfter();
  assert.deepEqual([...relay.opened.keys()], [`${berta.key} ${carl.key}`]);
  assert.equal(pairs.figures.pairs, 1);
});

test('a member that leaves while its pair is being opened gets none', async () => {
  const { pairs, relay } = relaying();
  const opening = pairs.open(anna, berta);
  pairs.end(berta.key);
  assert.equal(await opening, undefined);
  await pairs.lookAfter();
  assert.deepEqual([relay.opened.size, pairs.figures.pairs], [0, 0]);
});

test('what is left of a pair that could not be opened anew is closed later', async () => {
  const { pairs, relay } = relaying();
  await pairs.open(anna, berta);
  relay.failure = new HostError('nft is gone', { code: 'missing-program' });
  assert.equal(await pairs.open(anna, berta), undefined);
  assert.equal(relay.opened.size, 1);
  relay.failure = undefined;
  await pairs.lookAfter();
  assert.deepEqual([relay.opened.size, pairs.figures.pairs], [0, 0]);
});

test('a relay that fails costs the relay alone, and is said once', async () => {
  const { pairs, relay, lines } = relaying();
  relay.failure = new HostError('all pairs are open', { code: 'relay-full' });
  assert.equal(await pairs.open(anna, berta), undefined);
  assert.equal(await pairs.open(anna, berta), undefined);
  assert.equal(pairs.figures.pairs, 0);
  relay.failure = undefined;
  assert.ok(await pairs.open(anna, berta));
  assert.deepEqual(
    lines.map(({ level, msg, reason }) => [level, msg, reason]),
    [[40, 'cannot relay between two members', 'all pairs are open']],
  );
});
