import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMasterName } from '../model/names.ts';
import { ResumptionTickets } from './resumption-tickets.ts';

const [elbe, spree] = ['elbe', 'spree'].map(parseMasterName) as [never, never];
const chain = ['leaf', 'authority'];
const session = Buffer.from('ticket');

function holding(): ResumptionTickets {
  const tickets = new ResumptionTickets();
  tickets.keep(elbe, { session, chain, endsAtMs: 1_000 });
  return tickets;
}

test('a ticket is used once, at the master that gave it', () => {
  const tickets = holding();
  assert.equal(tickets.take(spree, chain, 0), undefined);
  assert.equal(tickets.take(elbe, chain, 0), session);
  assert.equal(tickets.take(elbe, chain, 0), undefined);
});

test('a ticket is of no use after either certificate has ended, or with a younger one', () => {
  assert.equal(holding().take(elbe, chain, 1_000), undefined);
  assert.equal(holding().take(elbe, ['younger', 'authority'], 0), undefined);
  const tickets = holding();
  assert.deepEqual([tickets.has(elbe, chain, 999), tickets.has(elbe, chain, 1_000)], [true, false]);
});

test('the newest ticket of a master takes the place of the one before', () => {
  const tickets = holding();
  const newer = Buffer.from('newer');
  tickets.keep(elbe, { session: newer, chain, endsAtMs: 2_000 });
  assert.equal(tickets.take(elbe, chain, 1_500), newer);
});
