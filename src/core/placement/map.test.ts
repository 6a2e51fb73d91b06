import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseMasterName, parseMemberName } from '../../model/names.ts';
import { type MapFacts, renderPlacementMap } from './map.ts';

const fra = { name: parseMasterName('fra'), latitude: 50, longitude: 10 };
const nrt = { name: parseMasterName('nrt'), latitude: 36, longitude: 140 };
const member = (name: string, facts: Partial<MapFacts['members'][number]> = {}) => ({
  name: parseMemberName(name),
  latitude: 0,
  longitude: 0,
  ...facts,
});
const render = (facts: Partial<MapFacts>): string =>
  renderPlacementMap({ title: 'A VPN', masters: [fra, nrt], members: [], ...facts });
const count = (text: string, part: string | RegExp): number => text.split(part).length - 1;

test('everything is where its degrees say, in the colour of its latency', () => {
  const svg = render({ members: [member('a', { master: fra.name, latencyMs: 12.34 })] });
  assert.match(svg, /<line class="link" stroke="#228833" x1="360" y1="180" x2="380" y2="80"\/>/);
  assert.match(svg, /fill="#228833" cx="360" cy="180" r="1.8"><title>a: fra, 12.3 ms<\/title>/);
  assert.match(svg, /<title>fra<\/title><\/rect><text class="name" x="380" y="80"/);
});

test('title and description say what is seen', () => {
  const members = [
    member('a', { master: fra.name, latencyMs: 5 }),
    member('b', { master: fra.name, latencyMs: 500 }),
    member('c', { master: fra.name }),
    member('d'),
  ];
  const svg = render({ title: 'Ports & "ships" <all>', members });
  assert.match(svg, /aria-labelledby="title desc"/);
  assert.match(svg, /<title id="title">Ports &amp; &quot;ships&quot; &lt;all&gt;<\/title>/);
  assert.match(svg, /2 masters and 4 members on a map of the world; 3 members have a master/);
  assert.match(svg, /1 under 20 ms, 0 20–50 ms, .*1 over 200 ms, 1 not measured\./);
});

test('a link goes the short way round the world, in two pieces', () => {
  const links = count(
    render({ members: [member('a', { longitude: -170, master: nrt.name, latencyMs: 60 })] }),
    '<line',
  );
  assert.equal(links, 2);
});

test('a member without a master, or with one that is nowhere, has no link', () => {
  const away = parseMasterName('away');
  const svg = render({ members: [member('a'), member('b', { master: away, latencyMs: 5 })] });
  assert.equal(count(svg, '<line'), 0);
});

test('whatever the title is, the document stays one, and order makes no difference', () => {
  const members = ['a', 'b', 'c'].map((name, index) =>
    member(name, { master: fra.name, latencyMs: 40 * index }),
  );
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.shuffledSubarray(members, { minLength: 3 }),
      (title, shuffled) => {
        const svg = render({ title, members: shuffled, masters: [nrt, fra] });
        assert.equal(svg, render({ title, members }));
        assert.equal(count(svg, /<(?!\/)/), count(render({ members }), /<(?!\/)/));
        const isAllowed = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;
        assert.match(svg, isAllowed);
        assert.doesNotMatch(svg, /&(?!(amp|lt|gt|quot|apos);)/);
      },
    ),
  );
});
