import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandFailed, notStarted } from '../command-failure.ts';
import type { Runner } from '../runner.ts';
import { findObstacle } from './kernel-relay.ts';

const options = { tableName: 'hanse_x_relay', ports: 10 };

/** An nft that takes the table or does not, on a machine with these chains. */
function nft(chains: unknown, refusal?: Error): Runner {
  return {
    run: async (command, args, { input }) => {
      assert.equal(command, 'nft');
      if (args.join(' ') === '-j list chains') return { stdout: JSON.stringify(chains) };
      assert.deepEqual(args, ['--check', '-f', '-']);
      assert.match(input ?? '', /^table inet hanse_x_relay \{\n/m);
      if (refusal) throw refusal;
      return { stdout: '' };
    },
    start: () => assert.fail('nothing is to be started'),
    open: () => assert.fail('nothing is to be started'),
  };
}

const chainsWith = (policy: string) => ({
  nftables: [
    { chain: { family: 'ip', table: 'filter', name: 'FORWARD', hook: 'forward', policy } },
  ],
});

test('the kernel can relay where nft takes the table and nobody drops what is forwarded', async () => {
  assert.equal(await findObstacle(options, nft(chainsWith('accept'))), undefined);
  assert.equal(await findObstacle(options, nft({ nftables: [] })), undefined);
});

test('why it cannot is told', async () => {
  const exit = { exitCode: 1, reason: undefined };
  const refusal = commandFailed(['nft', '--check'], 'Operation not supported', exit);
  const absent = notStarted(['nft'], Object.assign(new Error(), { code: 'ENOENT' }));
  for (const [runner, reason] of [
    [nft({ nftables: [] }, refusal), /^nft --check failed \(exit 1\): Operation not supported$/],
    [nft({ nftables: [] }, absent), /^the program nft is not installed/],
    [nft(chainsWith('drop')), /^the nftables chain ip filter FORWARD drops what is forwarded$/],
  ] as const) {
    assert.match((await findObstacle(options, runner)) ?? '', reason);
  }
});

test('an answer that cannot be read is no obstacle but an error', async () => {
  await assert.rejects(findObstacle(options, nft({})), { code: 'unreadable-output' });
});
