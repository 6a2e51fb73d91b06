import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseMasterName, parseSubsetName } from '../../model/names.ts';
import type { MasterRecord, SubsetRecord, VpnRecord } from '../../model/records/directory.ts';
import { createGroupKey, createWireguardKeyPair } from '../../trust/wireguard-keys.ts';
import { Directory } from '../directory/directory.ts';
import type { StoredGroupKey } from '../group-key-store.ts';
import { Roll } from './roll.ts';
import { SubsetViews } from './subset-views.ts';

const hamburg = parseSubsetName('hamburg');
const names = ['elbe', 'trave', 'spree'].map(parseMasterName);
const keys = {
  members: createWireguardKeyPair().publicKey,
  backbone: createWireguardKeyPair().publicKey,
};

/** A directory and a key as the store would give them, each change at a revision of its own. */
class World {
  readonly directory = new Directory({} as VpnRecord);
  readonly views = new SubsetViews(this.directory);
  readonly roll = new Roll(hamburg);
  key: StoredGroupKey = { epoch: 1, groupKey: createGroupKey(), createdAtMs: 0, revision: 1 };
  #revision = 1;

  constructor() {
    for (const at of [0, 1, 2]) this.putMaster(at, 8_443);
    this.putSubset(['trave']);
  }

  putMaster(at: number, port: number): void {
    const name = names[at] ?? parseMasterName('nobody');
    const record = {
      name,
      control: `${name}.example:${port}`,
      wireguard: { host: `${name}.example`, membersPort: 51_820, backboneBasePort: 52_000 },
      chain: ['-----BEGIN CERTIFICATE-----'],
    } as unknown as MasterRecord;
    this.directory.masters.set(name, { record, revision: this.#next(), keys });
  }

  putSubset(backups: readonly string[]): void {
    const record = { name: hamburg, acting: names[0], backups } as SubsetRecord;
    this.directory.subsets.set(hamburg, { record, revision: this.#next() });
  }

  rotate(): void {
    this.key = {
      ...this.key,
      epoch: this.key.epoch + 1,
      groupKey: createGroupKey(),
      revision: this.#next(),
    };
  }

  /** Members who are nothing but counted. */
  grow(count: number): void {
    Object.defineProperty(this.roll, 'activeCount', { value: count, configurable: true });
  }

  current = () => this.views.current({ subset: hamburg, roll: this.roll });

  update = () => this.views.update({ subset: hamburg, key: this.key, roll: this.roll });

  #next(): number {
    this.#revision += 1;
    return this.#revision;
  }
}

test('a view that says nothing new is none', () => {
  const world = new World();
  assert.ok(world.update());
  assert.equal(world.update(), undefined);
  // Another master’s record, and the own one with the same contents at a later revision.
  world.putMaster(2, 9_000);
  world.putMaster(0, 8_443);
  assert.equal(world.update(), undefined);
});

test('a new key alone is said to be that, and a new backup is not', () => {
  const world = new World();
  const first = world.update();
  assert.deepEqual([first?.previousRevision, first?.onlyKey], [0, false]);
  world.rotate();
  const second = world.update();
  assert.deepEqual([second?.previousRevision, second?.onlyKey], [first?.view.revision, true]);
  world.putSubset(['spree']);
  world.rotate();
  const third = world.update();
  assert.deepEqual([third?.previousRevision, third?.onlyKey], [second?.view.revision, false]);
});

test('who joins a grown subset hears how far its members spread, which makes no new view', () => {
  const world = new World();
  assert.equal(world.update()?.view.spreadMs, 256);
  world.grow(10_000);
  assert.equal(world.update(), undefined, 'it is no reason for a new view');
  assert.equal(world.current().spreadMs, 25_000);
  world.rotate();
  const rotated = world.update();
  assert.deepEqual([rotated?.view.spreadMs, rotated?.onlyKey], [25_000, true]);
});

test('before a subset is acted for there is no view of it, nor after', () => {
  const world = new World();
  assert.throws(() => world.current(), { code: 'not-acting', retryable: true });
  world.update();
  assert.equal(world.current().acting.name, 'elbe');
  world.views.forget(hamburg);
  assert.throws(() => world.current(), { code: 'not-acting' });
});

test('whatever changes: revisions grow with every view, also over a loss of the subset', () => {
  const step = fc.constantFrom(
    'rotate',
    'acting moves',
    'backup moves',
    'backups',
    'nothing',
    'forget',
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const world = new World();
      let shown = world.update()?.view;
      for (const [at, one] of steps.entries()) {
        if (one === 'rotate') world.rotate();
        else if (one === 'acting moves') world.putMaster(0, 9_000 + at);
        else if (one === 'backup moves') world.putMaster(1, 9_000 + at);
        else if (one === 'backups') world.putSubset(at % 2 === 0 ? ['spree', 'trave'] : ['trave']);
        else if (one === 'forget') world.views.forget(hamburg);
        const view = world.update()?.view;
        if (!view || !shown) continue;
        const isSame =
          JSON.stringify({ ...view, revision: 0 }) === JSON.stringify({ ...shown, revision: 0 });
        if (isSame) assert.ok(view.revision >= shown.revision);
        else
          assert.ok(
            view.revision > shown.revision,
            `${one}: ${view.revision} after ${shown.revision}`,
          );
        assert.deepEqual(world.current(), view);
        shown = view;
      }
    }),
    { numRuns: 300 },
  );
});
