import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMasterName, parseRegionName, parseSubsetName } from '../model/names.ts';
import type { Prefix } from '../model/prefix.ts';
import type {
  ActingRecord,
  DrainRecord,
  GroupKeyRecord,
  MasterRecord,
  SubsetRecord,
  VpnRecord,
} from '../model/records/directory.ts';
import { directoryViewSchema } from './directory-endpoints.ts';
import { directoryView } from './directory-view.ts';

const atMs = 1_795_000_000_000;
const vpn = {
  name: 'corp',
  id: '0123abcd',
  ipv4: '100.64.0.0/10',
  ipv6: 'fd00:1:2::/48',
  keying: 'per-subset',
  lifetimes: { certificateMs: 1, keyRotationMs: 2, absenceMs: 3, settleMs: 4 },
  createdAtMs: atMs,
} as VpnRecord;
const master = (name: string) => ({ name, control: `${name}.example:8443` }) as MasterRecord;
const europe = {
  name: parseSubsetName('europe'),
  ipv6Block: 'fd00:1:2:1::/64' as Prefix,
  ipv4Blocks: ['100.64.0.0/21', '100.64.8.0/21'] as Prefix[],
  acting: parseMasterName('fra'),
  backups: [parseMasterName('ams'), parseMasterName('lon')],
} as SubsetRecord;
const view = (parts: {
  acting?: ActingRecord[];
  drains?: DrainRecord[];
  subset?: SubsetRecord;
  backboneKey?: GroupKeyRecord;
}) =>
  directoryView({
    vpn,
    masters: ['lon', 'fra', 'ams'].map(master),
    subsets: [parts.subset ?? europe],
    acting: parts.acting ?? [],
    drains: parts.drains ?? [],
    backboneKey: parts.backboneKey,
  });
const acting = {
  version: 1,
  subset: europe.name,
  master: parseMasterName('ams'),
  leaseRevision: 7,
  change: 'took-over',
  sinceMs: atMs,
} as const;

test('before anybody has acted the home master does, and blocks are shared out among backups', () => {
  const { masters, subsets } = view({});
  assert.deepEqual(
    masters.map(({ name }) => name),
    ['ams', 'fra', 'lon'],
  );
  assert.deepEqual(subsets, [
    {
      name: 'europe',
      home: 'fra',
      acting: 'fra',
      backups: ['ams', 'lon'],
      blocks: [
        { prefixes: ['100.64.0.0/21', 'fd00:1:2:1::/96'], order: ['fra', 'ams', 'lon'] },
        { prefixes: ['100.64.8.0/21', 'fd00:1:2:1:0:1::/96'], order: ['fra', 'lon', 'ams'] },
      ],
    },
  ]);
});

test('who acts now, since when and why is told, and its home comes last in the orders', () => {
  const [subset] = view({ acting: [acting] }).subsets;
  const { home, change, actingSinceMs, blocks } = subset ?? assert.fail('no subset');
  assert.deepEqual(
    [home, subset?.acting, change, actingSinceMs],
    ['fra', 'ams', 'took-over', atMs],
  );
  assert.deepEqual(
    blocks.map(({ order }) => order.join()),
    ['ams,lon,fra', 'lon,ams,fra'],
  );
});

test('a drained master says since when, and is the last choice', () => {
  const drain = { version: 1, master: europe.acting, by: 'operator:ada', atMs } as const;
  const { masters, subsets } = view({ drains: [drain] });
  assert.deepEqual(masters[1], {
    name: 'fra',
    control: 'fra.example:8443',
    drainedSinceMs: atMs,
  });
  assert.deepEqual(subsets[0]?.blocks[0]?.order, ['ams', 'lon', 'fra']);
});

test('a region is named, and the whole is what the endpoint defines', () => {
  const regional = { ...europe, region: parseRegionName('eu') };
  const shown = view({ acting: [acting], subset: regional });
  assert.equal(shown.subsets[0]?.region, 'eu');
  const lifetimes = {
    certificateMs: 10_000,
    keyRotationMs: 10_000,
    absenceMs: 1_000,
    settleMs: 1_000,
  };
  const document = JSON.parse(JSON.stringify({ ...shown, vpn: { ...shown.vpn, lifetimes } }));
  assert.deepEqual(directoryViewSchema.parse(document), document);
});

test('of the key among masters nothing is told but its epoch and when it was made', () => {
  assert.equal(view({}).backboneKey, undefined);
  const backboneKey = { version: 1, epoch: 3, sealedKey: 'secret', createdAtMs: atMs } as const;
  assert.deepEqual(view({ backboneKey }).backboneKey, { epoch: 3, createdAtMs: atMs });
});
