import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ManualClock } from '../../test/support/manual-clock.ts';
import type { Runner } from '../host/runner.ts';
import { parseAddress } from '../model/prefix.ts';
import { createUnderlay } from './underlay.ts';

/** A machine that is asked for ways; each has the MTU that is set at that moment. */
class Machine {
  readonly clock = new ManualClock();
  mtuBytes = 1_500;
  asked = 0;
  atOnce = 0;
  mostAtOnce = 0;
  readonly runner: Runner = {
    run: async (_, args) => {
      this.asked += 1;
      this.atOnce += 1;
      this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
      await nextTurn();
      this.atOnce -= 1;
      assert.deepEqual(args.slice(0, 3), ['-j', 'route', 'get']);
      const stdout = JSON.stringify([{ dev: 'eth0', metrics: [{ mtu: this.mtuBytes }] }]);
      return { stdout };
    },
    start: () => assert.fail('nothing is to be started'),
    open: () => assert.fail('nothing is to be opened'),
  };
  readonly underlay = createUnderlay(this);
}

const addresses = [1, 2, 3, 4].map((last) => parseAddress(`192.0.2.${last}`));

test('ways are asked for one after the other, and not again for five seconds', async () => {
  const machine = new Machine();
  const ask = () => Promise.all(addresses.map((address) => machine.underlay.tunnelMtuTo(address)));
  assert.deepEqual(await ask(), [1_420, 1_420, 1_420, 1_420]);
  assert.deepEqual([machine.asked, machine.mostAtOnce], [4, 1]);
  await ask();
  assert.equal(machine.asked, 4);
  machine.clock.advance(5_000);
  await ask();
  assert.equal(machine.asked, 8);
});

test('a way that was narrow once is taken for narrow for six hours', async () => {
  const machine = new Machine();
  const [address] = addresses;
  assert.ok(address);
  machine.mtuBytes = 1_400;
  assert.equal(await machine.underlay.tunnelMtuTo(address), 1_320);
  machine.mtuBytes = 1_500;
  machine.clock.advance(5 * 3_600_000);
  assert.equal(await machine.underlay.tunnelMtuTo(address), 1_320);
  machine.clock.advance(2 * 3_600_000);
  assert.equal(await machine.underlay.tunnelMtuTo(address), 1_420);
});
