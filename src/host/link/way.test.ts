import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../model/prefix.ts';
import { commandFailed } from '../command-failure.ts';
import type { Runner } from '../runner.ts';
import { readWay } from './way.ts';

const address = parseAddress('192.0.2.9');

/** Answers `ip -j route get` as it is told. */
function answering(answer: () => string): Runner {
  return {
    run: async (command, args) => {
      assert.deepEqual([command, ...args], ['ip', '-j', 'route', 'get', address]);
      return { stdout: answer() };
    },
    start: () => assert.fail('nothing is to be started'),
    open: () => assert.fail('nothing is to be started'),
  };
}

test('a way has an interface, a source, and an MTU if the route has one', async () => {
  const route = { dst: address, gateway: '198.51.100.1', dev: 'eth0', prefsrc: '198.51.100.7' };
  const read = (found: object) =>
    readWay(
      address,
      answering(() => JSON.stringify([found])),
    );
  assert.deepEqual(await read(route), {
    ...{ device: 'eth0', source: '198.51.100.7', mtuBytes: undefined },
  });
  assert.deepEqual(await read({ dev: 'eth0', metrics: [{ advmss: 1_300 }, { mtu: 1_400 }] }), {
    ...{ device: 'eth0', source: undefined, mtuBytes: 1_400 },
  });
});

test('where there is no way, that is said', async () => {
  const unreachable = commandFailed(['ip'], 'RTNETLINK answers: Network is unreachable', {
    ...{ exitCode: 2, reason: undefined },
  });
  const failing = (): string => {
    throw unreachable;
  };
  for (const answer of [failing, () => '', () => '[{"type":"blackhole"}]']) {
    const expected = { code: 'no-route', fields: { address }, retryable: true };
    await assert.rejects(readWay(address, answering(answer)), expected);
  }
});
