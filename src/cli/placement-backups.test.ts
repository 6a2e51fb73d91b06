import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aPolicy } from '../../test/support/placement-world.ts';
import { masterMeasurementSchema } from '../api/measuring-messages.ts';
import { parseMasterName, parseMemberName, parseSubsetName } from '../model/names.ts';
import { formatBackups } from './output/placement-backups.ts';
import { planBackupsOf } from './placement-backups.ts';

const [ams, fra, sin] = ['ams', 'fra', 'sin'].map(parseMasterName) as [never, never, never];
const europe = {
  ...{ name: parseSubsetName('europe'), home: fra, acting: sin, backups: [sin], blocks: [] },
};
const directory = {
  masters: [ams, fra, sin].map((name) => ({ name, control: '192.0.2.1:8443' })),
  subsets: [europe],
};
const member = {
  ...{ name: parseMemberName('a'), subset: europe.name, acting: sin },
  measured: {
    report: {
      ageMs: 0,
      masters: Object.entries({ ams: 10, fra: 5, sin: 200 }).map(([name, latencyMs]) =>
        masterMeasurementSchema.parse({
          ...{ name, stun: 'answers', sent: 8, lost: 0, latencyMs, jitterMs: 0 },
        }),
      ),
    },
    ...{ verdict: 'unknown' as const, isAlert: false },
  },
};

test('a backup that acts meanwhile and would be none is given the subset back from first', () => {
  const policy = aPolicy({ jurisdictions: { unknown: 'allow' }, backups: { count: 1 } });
  const [plan] = planBackupsOf([europe], [member], directory, policy);
  assert.ok(plan);
  assert.deepEqual([plan.planned, plan.reason, plan.actsMeanwhile], [['ams'], 'better', 'sin']);
  assert.match(
    formatBackups([plan]),
    /\n\nhanse master return fra {4}# sin acts for it meanwhile\nhanse subset backups europe --set ams\n$/,
  );
  const [both] = planBackupsOf([europe], [member], directory, aPolicy());
  assert.deepEqual([both?.planned, both?.actsMeanwhile], [['ams', 'sin'], undefined]);
});
