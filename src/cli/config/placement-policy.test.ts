import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { placementPolicySchema } from '../../core/placement/policy.ts';
import { parseMasterName } from '../../model/names.ts';
import { parseConfig } from '../../runtime/config-text.ts';

const parse = (text: string) => parseConfig(text, 'policy.yaml', placementPolicySchema);
const manual = await readFile(new URL('../../../docs/placement.md', import.meta.url), 'utf8');

test('the manual’s example is a policy, and uses every section', () => {
  const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(manual) ?? [];
  const policy = parse(example);
  assert.equal(policy.criteria.latencyMs.atMost, 150);
  assert.equal(policy.capacities[parseMasterName('fra')], 2000);
  assert.equal(policy.jurisdictions.groups['eea']?.length, 30);
  const sections = Array.from(example.matchAll(/^([a-zA-Z]+):/gm), ([, section]) => section);
  assert.deepEqual(sections, Object.keys(placementPolicySchema.shape));
});

test('an empty file is a policy with the defaults that the manual says', () => {
  const policy = parse('');
  assert.deepEqual(policy.hysteresis, { points: 5, percent: 10 });
  assert.deepEqual(policy.measuring, { intervalSeconds: 900, bytesPerDay: 2_000_000 });
  for (const [name, { weight, assume }] of Object.entries(policy.criteria)) {
    const assumed = assume === undefined ? '' : ` ${assume.toLocaleString('en')}`;
    assert.match(
      manual,
      new RegExp(`^\\| \`${name}\` \\|.*\\| ${weight} \\|${assumed}(,.*)? \\|$`, 'm'),
    );
  }
});

const refusals: readonly (readonly [text: string, message: RegExp])[] = [
  [
    'colour: blue\n',
    /^policy\.yaml:1:9: colour: there is no such key; the keys are criteria, juris/,
  ],
  [
    'criteria:\n  latencyMs:\n    weigth: 2\n',
    /:3:13: criteria\.latencyMs\.weigth: there is no such key; the keys are weight, atMost, assume$/,
  ],
  [
    'criteria:\n  jitterMs: { weight: -1 }\n',
    /:2:23: criteria\.jitterMs\.weight: expected 0 or more$/,
  ],
  ['places:\n  masters:\n    Fra: {}\n', /:3:10: places\.masters\.Fra: use 1 to 32 lower-case/],
  [
    'places:\n  masters:\n    fra: { jurisdiction: de }\n',
    /:3:26: places\.masters\.fra\.jurisdiction: expected an ISO 3166-1 alpha-2 code in capitals, such as DE$/,
  ],
  [
    'places:\n  members:\n    a: { latitude: 5 }\n',
    /:3:8: places\.members\.a: say latitude and longitude, or/,
  ],
  [
    'jurisdictions:\n  groups: { eu: [DE] }\n  rules:\n    - within: [DE, eea]\n',
    /:4:20: jurisdictions\.rules\.0\.within\.1: expected .* or a group of this file \(eu\)$/,
  ],
  [
    'jurisdictions:\n  rules:\n    - members: [DE]\n',
    /:3:7: jurisdictions\.rules\.0: say within, avoid or both/,
  ],
  [
    'jurisdictions: { unknown: maybe }\n',
    /:1:27: jurisdictions\.unknown: expected refuse or allow$/,
  ],
  [
    'pins:\n  a: { master: fra }\n  1: { master: fra }\n  "1": { master: ams }\n',
    /:4:3: 1 is there twice in one mapping$/,
  ],
  ['pins:\n  a: {}\n', /:2:6: pins\.a: say master, subset or both$/],
  ['prices:\n  links:\n    - { site: hq, perGb: 1 }\n', /:3:7: prices\.links\.0\.master: /],
  ['movesPerMinute: 0\n', /:1:17: movesPerMinute: expected 1 or more$/],
  [
    'measuring: { intervalSeconds: 5 }\n',
    /:1:31: measuring\.intervalSeconds: expected 10 seconds or more$/,
  ],
];
for (const [text, message] of refusals) {
  test(`${JSON.stringify(text)} is refused with its place`, () => {
    assert.throws(() => parse(text), { code: 'invalid', message });
  });
}
