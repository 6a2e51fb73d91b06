import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { beginHopSearch, nextHopLimit, noteHopLimit } from './hop-search.ts';

function search(links: number, before?: number): { readonly hops: number; readonly asked: number } {
  let state = beginHopSearch(before);
  let asked = 0;
  for (let limit = nextHopLimit(state); limit !== undefined; limit = nextHopLimit(state)) {
    assert.ok(limit >= 1 && limit <= 63, `asked with ${limit}`);
    state = noteHopLimit(state, limit, limit >= links);
    asked += 1;
  }
  return { hops: state.enough, asked };
}

const links = fc.integer({ min: 1, max: 64 });

test('any number of links is found within six requests', () => {
  fc.assert(
    fc.property(links, (number) => {
      const { hops, asked } = search(number);
      assert.equal(hops, number);
      assert.ok(asked <= 6);
    }),
  );
});

test('the same number as before takes two requests', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 63 }), (number) => {
      assert.deepEqual(search(number, number), { hops: number, asked: 2 });
    }),
  );
});

test('a wrong number of before costs two requests at most, and never the result', () => {
  fc.assert(
    fc.property(links, links, (number, before) => {
      const { hops, asked } = search(number, before);
      assert.equal(hops, number);
      assert.ok(asked <= 8, String(asked));
    }),
  );
});
