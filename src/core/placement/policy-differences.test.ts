import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultPlacementPolicy, placementPolicySchema } from './policy.ts';
import { policyDifferences } from './policy-differences.ts';

const before = placementPolicySchema.parse({
  criteria: { latencyMs: { atMost: 150 } },
  pins: { printer: { master: 'fra' } },
  jurisdictions: { groups: { eea: ['DE'] } },
});

test('a policy does not differ from itself, nor from one that says its defaults', () => {
  assert.deepEqual(policyDifferences(before, before), []);
  const spelt = placementPolicySchema.parse({ movesPerMinute: 60, hysteresis: { points: 5 } });
  assert.deepEqual(policyDifferences(defaultPlacementPolicy, spelt), []);
});

test('what is changed, added and gone is named by its keys, lists whole', () => {
  const after = placementPolicySchema.parse({
    criteria: { latencyMs: { atMost: 120 } },
    jurisdictions: { groups: { eea: ['DE', 'FR'] } },
    capacities: { fra: 7 },
  });
  assert.deepEqual(policyDifferences(before, after), [
    { key: 'capacities.fra', before: undefined, after: '7' },
    { key: 'criteria.latencyMs.atMost', before: '150', after: '120' },
    { key: 'jurisdictions.groups.eea', before: '["DE"]', after: '["DE","FR"]' },
    { key: 'pins.printer.master', before: '"fra"', after: undefined },
  ]);
});
