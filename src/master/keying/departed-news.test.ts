import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wireguardPublicKeySchema } from '../../model/wireguard-key.ts';
import { DepartedNews } from './departed-news.ts';

const key = (number: number) =>
  wireguardPublicKeySchema.parse(Buffer.alloc(32, number).toString('base64'));
const list = (...numbers: number[]) => numbers.map((atMs) => ({ key: key(atMs), atMs }));

test('whoever is in the list for the first time is news, and nobody again', () => {
  const news = new DepartedNews();
  assert.deepEqual(news.take(list(2, 1)), [key(2), key(1)]);
  assert.deepEqual(news.take(list(2, 1)), []);
  assert.deepEqual(news.take(list(3, 2)), [key(3)]);
});

test('who was forgotten with the list is news when it comes back', () => {
  const news = new DepartedNews();
  news.take(list(1));
  assert.deepEqual(news.take([]), []);
  assert.deepEqual(news.take(list(1)), [key(1)]);
});
