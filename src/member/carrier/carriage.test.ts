import assert from 'node:assert/strict';
import { after, beforeEach, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { parseMasterName } from '../../model/names.ts';
import { runUntilAborted } from '../../runtime/abort.ts';
import { silentLog } from '../../runtime/log.ts';
import { Carriage } from './carriage.ts';
import type { OpenCarrier } from './open-carrier.ts';

/** A tunnel whose fate the test decides. */
class Tunnel {
  readonly master = parseMasterName('fra');
  /** Whether packets come through over UDP, over HTTPS. */
  udpWorks = true;
  httpsWorks = true;
  /** Whether a carrier can be opened. */
  isReached = true;
  /** Whether UDP gets through to another master. */
  worksElsewhere = false;
  /** Every end that WireGuard was given; undefined for the master's own. */
  readonly ends: (string | undefined)[] = [];
  opened = 0;
  #carrier: { close(): void } | undefined;

  get end(): string | undefined {
    return this.ends.at(-1);
  }

  isAlive(): boolean {
    return this.end === undefined ? this.udpWorks : this.httpsWorks;
  }

  udpWorksElsewhere(): boolean {
    return this.worksElsewhere;
  }

  nextChange(signal: AbortSignal): Promise<void> {
    return clock.sleep(100, signal);
  }

  /** What the master sends by the carrier while UDP is tried: WireGuard follows it, unless it is kept back. */
  masterSends = false;
  #isHeld = false;

  async open(): Promise<OpenCarrier> {
    if (!this.isReached) throw new Error('nobody answers');
    this.opened += 1;
    const { promise, resolve } = Promise.withResolvers<void>();
    let isOpen = true;
    const close = () => {
      isOpen = false;
      resolve();
    };
    this.#carrier = { close };
    return {
      endpoint: `127.0.0.1:${this.opened}`,
      closed: promise,
      get isOpen() {
        return isOpen;
      },
      hold: () => {
        this.#isHeld = true;
      },
      release: () => {
        this.#isHeld = false;
        if (this.masterSends) this.ends.push(`127.0.0.1:${this.opened}`);
        return this.masterSends;
      },
      [Symbol.dispose]: close,
    };
  }

  async use(endpoint: string | undefined): Promise<void> {
    this.ends.push(endpoint);
    if (endpoint === undefined && this.masterSends && !this.#isHeld) {
      this.ends.push(`127.0.0.1:${this.opened}`);
    }
  }

  async answersWithin(): Promise<boolean> {
    return this.isAlive();
  }

  closeCarrier(): void {
    this.#carrier?.close();
  }
}

let clock: ManualClock;
let tunnel: Tunnel;
let random = 0;
let stop = new AbortController();

beforeEach(() => {
  stop.abort();
  stop = new AbortController();
  clock = new ManualClock();
  tunnel = new Tunnel();
  random = 0;
  const carriage = new Carriage(tunnel, { clock, log: silentLog(), random: () => random });
  void runUntilAborted((signal) => carriage.run(signal), stop.signal, assert.ifError);
});
after(() => stop.abort());

/** Lets so much time pass, in steps that wake whoever sleeps in between. */
async function pass(durationMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < durationMs; passedMs += 100) {
    clock.advance(100);
    await turn();
  }
}

test('as long as UDP works nothing is opened', async () => {
  await pass(60_000);
  assert.deepEqual(tunnel.ends, []);
  assert.equal(tunnel.opened, 0);
});

test('a short silence is no reason', async () => {
  tunnel.udpWorks = false;
  await pass(2_000);
  tunnel.udpWorks = true;
  await pass(10_000);
  assert.equal(tunnel.opened, 0);
});

test('a tunnel that stays silent is carried, and tried over UDP now and then until that works', async () => {
  tunnel.udpWorks = false;
  await pass(5_000);
  assert.deepEqual(tunnel.ends, ['127.0.0.1:1']);
  await pass(20_000);
  assert.deepEqual(tunnel.ends, ['127.0.0.1:1', undefined, '127.0.0.1:1']);
  tunnel.udpWorks = true;
  await pass(20_000);
  assert.equal(tunnel.end, undefined);
  assert.equal(tunnel.opened, 1);
  await pass(60_000);
  assert.equal(tunnel.opened, 1);
});

test('what the master sends meanwhile does not make a trial succeed, nor undo one that did', async () => {
  tunnel.udpWorks = false;
  await pass(5_000);
  tunnel.masterSends = true;
  await pass(20_000);
  assert.equal(tunnel.end, '127.0.0.1:1');
  assert.equal(tunnel.opened, 1);
  tunnel.udpWorks = true;
  await pass(60_000);
  assert.equal(tunnel.end, undefined);
  assert.equal(tunnel.opened, 1);
});

test('a carrier that ends is replaced while UDP is blocked', async () => {
  tunnel.udpWorks = false;
  await pass(5_000);
  tunnel.closeCarrier();
  await pass(5_000);
  assert.deepEqual(tunnel.ends, ['127.0.0.1:1', undefined, '127.0.0.1:2']);
});

test('a carrier by which nothing comes either is given up, and tried again later', async () => {
  tunnel.udpWorks = false;
  tunnel.httpsWorks = false;
  await pass(16_000);
  assert.deepEqual(tunnel.ends, ['127.0.0.1:1', undefined]);
  await pass(10_000);
  assert.equal(tunnel.opened, 2);
});

test('a master that takes no carrier is asked again, and given time to come back', async () => {
  tunnel.udpWorks = false;
  tunnel.isReached = false;
  await pass(10_000);
  assert.deepEqual(tunnel.ends, []);
  tunnel.isReached = true;
  await pass(12_000);
  assert.equal(tunnel.end, '127.0.0.1:1');
});

test('a dead master gets no carriers from members that reach another one', async () => {
  tunnel.udpWorks = false;
  tunnel.worksElsewhere = true;
  await pass(60_000);
  assert.equal(tunnel.opened, 0);
  tunnel.worksElsewhere = false;
  await pass(5_000);
  assert.equal(tunnel.opened, 1);
});

test('when UDP works to another master it is tried here soon', async () => {
  random = 0.99;
  tunnel.udpWorks = false;
  await pass(60_000);
  const trials = tunnel.ends.length;
  tunnel.udpWorks = true;
  tunnel.worksElsewhere = true;
  await pass(16_000);
  assert.equal(tunnel.end, undefined);
  assert.equal(tunnel.ends.length, trials + 1);
});

test('when it is stopped it leaves the tunnel as it is', async () => {
  tunnel.udpWorks = false;
  await pass(5_000);
  stop.abort();
  await turn();
  assert.deepEqual(tunnel.ends, ['127.0.0.1:1']);
});
