import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type MasterName, parseMasterName } from '../model/names.ts';
import { parseAddress } from '../model/prefix.ts';
import { assignSlots, betterMaster, orderFor, sessionOrder } from './member-masters.ts';

const a = parseMasterName('a');
const b = parseMasterName('b');
const c = parseMasterName('c');
const anyMasters = fc.shuffledSubarray([a, b, c, parseMasterName('d'), parseMasterName('e')]);

const candidate = (master: MasterName, isAlive = true) => ({ master, isAlive });

test('masters get the interfaces in their order, and the first is the acting one’s', () => {
  assert.deepEqual(assignSlots([], [a, b, c]), [a, b, c]);
});

test('a master that stays keeps its interface, and a new one takes what a gone one has left', () => {
  assert.deepEqual(assignSlots([a, b, c], [c, parseMasterName('d'), a]), [a, 'd', c]);
  assert.deepEqual(assignSlots([a, b], [b]), [null, b]);
});

test('whatever views follow one another, each master has one interface and nobody moves', () => {
  fc.assert(
    fc.property(fc.array(anyMasters, { minLength: 1 }), (views) => {
      let slots = assignSlots([], []);
      for (const masters of views) {
        const next = assignSlots(slots, masters);
        const taken = next.filter((master) => master !== null);
        assert.deepEqual([...taken].sort(), [...masters].sort());
        for (const [slot, master] of slots.entries()) {
          if (master && masters.includes(master)) assert.equal(next[slot], master);
        }
        slots = next;
      }
      assert.ok(slots.length <= 5);
    }),
  );
});

test('a member goes by the order of its own block, going round', () => {
  const orders = [
    [a, b, c],
    [a, c, b],
  ];
  const inBlock = (ordinal: number) => parseAddress(`fd12:3456:789a:1:0:${ordinal}:0:2`);
  assert.deepEqual(orderFor(inBlock(0), orders, [a, b, c]), [a, b, c]);
  assert.deepEqual(orderFor(inBlock(1), orders, [a, b, c]), [a, c, b]);
  assert.deepEqual(orderFor(inBlock(2), orders, [a, b, c]), [a, b, c]);
});

test('an order that forgets a master, repeats one or has a stranger still has each master once', () => {
  const order = orderFor(parseAddress('fd12::2'), [[c, b, c]], [a, c]);
  assert.deepEqual(order, [c, a]);
});

test('masters whose tunnels work are asked for a session first, and the others then', () => {
  const order = [candidate(a, false), candidate(b), candidate(c)];
  assert.deepEqual(sessionOrder(order), [b, c, a]);
});

test('a session moves to the master whose path is in use', () => {
  const order = [candidate(a), candidate(b)];
  assert.equal(betterMaster(order, a, b), a);
  assert.equal(betterMaster(order, a, a), undefined);
});

test('a session stays with a preferred master whose path only has to settle', () => {
  assert.equal(betterMaster([candidate(a), candidate(b)], b, a), undefined);
});

test('a session leaves a master whose path is dead for one whose path is not', () => {
  assert.equal(betterMaster([candidate(a, false), candidate(b)], b, a), b);
  assert.equal(betterMaster([candidate(a, false), candidate(b, false)], b, a), undefined);
});

test('a session leaves a master that is none of the subset’s any more', () => {
  assert.equal(betterMaster([candidate(b), candidate(c)], c, a), c);
});
