import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandFailed } from './command-failure.ts';
import { type Finding, type HostRole, inspectHost } from './doctor.ts';
import type { Runner } from './runner.ts';

const rules = JSON.stringify([
  { priority: 0, src: 'all', table: 'local' },
  { priority: 32_766, src: 'all', table: 'main' },
]);

/** @param lacking the family that the kernel has no rules for */
async function policyRouting(role: HostRole, lacking?: string): Promise<Finding | undefined> {
  const runner: Runner = {
    async run(command, args) {
      if (!args.includes('rule')) throw new Error(`${command} is not there`);
      if (lacking === undefined || !args.includes(lacking)) return { stdout: rules };
      throw commandFailed(['ip', ...args], 'RTNETLINK answers: Operation not supported', {
        ...{ exitCode: 2, reason: undefined },
      });
    },
    start: () => assert.fail('nothing is to be started'),
    open: () => assert.fail('nothing is to be started'),
  };
  const findings = await inspectHost({ role, dataDirectory: '/' }, { runner, nowMs: Date.now() });
  return findings.find(({ check }) => check === 'policy routing');
}

test('a member’s machine has rules by source in both families, or a warning says what it cannot do', async () => {
  assert.equal((await policyRouting('member'))?.status, 'ok');
  for (const family of ['-4', '-6']) {
    const { status, found = '', advice = '' } = (await policyRouting('member', family)) ?? {};
    assert.equal(status, 'warning', family);
    assert.match(found, /a member that moves .*Operation not supported/s);
    assert.match(advice, /CONFIG_IP_MULTIPLE_TABLES/);
  }
});

test('a master needs none', async () => {
  assert.equal(await policyRouting('master', '-4'), undefined);
});
