import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createLab } from './lab.ts';
import { monotonicMs, PacketStream } from './packet-stream.ts';

test('a stream tells what was lost while a link was cut, and when', async () => {
  await using lab = await createLab({
    topology: {
      sites: [
        { name: 'one-net', hosts: ['one'] },
        { name: 'two-net', hosts: ['two'] },
      ],
    },
  });
  const [one, two] = [lab.node('one'), lab.node('two')];
  const stream = await PacketStream.start(one, { node: two, address: two.address('ipv6') });
  await delay(200);
  const cutMs = monotonicMs();
  await lab.link('two').cut();
  await delay(300);
  await lab.link('two').restore();
  const restoredMs = monotonicMs();
  await delay(300);
  const { lost, longestGap, sentAtMs } = await stream.stop();
  assert.ok(sentAtMs.length > 100);
  assert.ok(lost.length >= 40, `${lost.length} lost`);
  assert.ok(longestGap.lengthMs >= 250, `${longestGap.lengthMs} ms`);
  assert.ok(longestGap.fromMs <= restoredMs && longestGap.fromMs + longestGap.lengthMs >= cutMs);
});

test('nothing is lost where nothing happens', async () => {
  await using lab = await createLab({
    topology: { sites: [{ name: 'net', hosts: ['one', 'two'] }] },
  });
  const [one, two] = [lab.node('one'), lab.node('two')];
  const stream = await PacketStream.start(one, { node: two, address: two.address('ipv4') });
  await delay(500);
  const { lost, answeredAtMs } = await stream.stop();
  assert.deepEqual(lost, []);
  assert.ok(answeredAtMs.length >= 80);
});
