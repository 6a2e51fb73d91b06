import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { capturedLog } from '../../../test/support/captured-log.ts';
import type { SourceState } from '../../model/host-state.ts';
import { parseAddress } from '../../model/prefix.ts';
import { commandFailed } from '../command-failure.ts';
import type { Runner } from '../runner.ts';
import {
  assignTables,
  planRuleChanges,
  readSourceRules,
  sourceRulesOf,
  tableRange,
} from './source-rules.ts';

const number = 5;
const { first, last } = tableRange(number);
const ipv4 = parseAddress('100.64.0.2');
const ipv6 = parseAddress('fd00::2');
const source = (...addresses: string[]): SourceState => ({
  addresses: addresses.map(parseAddress),
  routes: [],
});

describe('the tables of sources', () => {
  it('are kept, and given once', () => {
    const [one, other] = [source('100.64.0.2', 'fd00::2'), source('100.64.8.7')];
    const current = new Map([[ipv6, first + 1]]);
    const tables = assignTables([other, one], current, number);
    assert.deepEqual([tables.get(one), tables.get(other)], [first + 1, first]);
    const again = assignTables([one, other], sourceRulesOf(tables), number);
    assert.deepEqual([again.get(one), again.get(other)], [first + 1, first]);
  });

  it('are none that a rule still leads to', () => {
    const current = new Map([[parseAddress('100.64.9.9'), first]]);
    const wanted = source('100.64.0.2');
    assert.equal(assignTables([wanted], current, number).get(wanted), first + 1);
  });

  it('run out, which is said', () => {
    const many = Array.from({ length: last - first + 2 }, (_, i) => source(`10.0.1.${i % 256}`));
    assert.throws(() => assignTables(many, new Map(), number), { code: 'contradiction' });
  });

  it('are others for every owner', () => {
    assert.equal(tableRange(number + 1).first, last + 1);
    assert.ok(tableRange(2 ** 18 - 1).last < 2 ** 31);
  });
});

describe('the changes of rules', () => {
  const rest = 'priority 10104 protocol 104';

  it('are told by family', () => {
    const { added, ended } = planRuleChanges(
      new Map(),
      new Map([
        [ipv4, first],
        [ipv6, first],
      ]),
    );
    assert.deepEqual(added.get(4), [`rule add from 100.64.0.2/32 lookup ${first} ${rest}`]);
    assert.deepEqual(added.get(6), [`rule add from fd00::2/128 lookup ${first} ${rest}`]);
    assert.equal(ended.size, 0);
  });

  it('take away what is no longer wanted, and a rule to another table once the new one is there', () => {
    const { added, ended } = planRuleChanges(
      new Map([
        [ipv4, first],
        [ipv6, first],
      ]),
      new Map([[ipv4, first + 1]]),
    );
    assert.deepEqual([...added.values()].flat(), [
      `rule add from 100.64.0.2/32 lookup ${first + 1} ${rest}`,
    ]);
    assert.deepEqual([...ended.values()].flat(), [
      `rule delete from 100.64.0.2/32 lookup ${first} ${rest}`,
      `rule delete from fd00::2/128 lookup ${first} ${rest}`,
    ]);
  });
});

describe('reading rules', () => {
  const answering = (answer: (args: readonly string[]) => string): Runner => ({
    run: async (_command, args) => ({ stdout: answer(args) }),
    start: () => assert.fail('nothing is to be started'),
    open: () => assert.fail('nothing is to be started'),
  });

  it('passes over those of others, and of other daemons of ours', async () => {
    const ours = { priority: 10_104, protocol: '104' };
    const rules = [
      { priority: 0, src: 'all', table: 'local' },
      { ...ours, src: '100.64.0.2', table: `${first}` },
      { ...ours, src: '100.64.0.3', table: `${last + 1}` },
      { ...ours, src: '100.64.0.4', table: `${first}`, protocol: '3' },
      { ...ours, src: '100.64.0.5', table: `${first}`, priority: 9 },
      { priority: 32_766, src: 'all', table: 'main' },
    ];
    const runner = answering(([, family]) => (family === '-4' ? JSON.stringify(rules) : '[]'));
    const { log } = capturedLog();
    assert.deepEqual(await readSourceRules(number, { runner, log }), new Map([[ipv4, first]]));
  });

  it('tells of a kernel without them once, and goes on', async () => {
    const runner = answering(() => {
      throw commandFailed(['ip', 'rule', 'show'], 'RTNETLINK answers: Operation not supported', {
        ...{ exitCode: 2, reason: undefined },
      });
    });
    const { log, lines } = capturedLog();
    assert.equal(await readSourceRules(number, { runner, log }), undefined);
    assert.match(String(lines[0]?.['msg']), /no policy routing here/);
  });
});
