import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { test } from 'node:test';
import { Counter, Registry } from 'prom-client';
import { endpointSchema } from '../../model/endpoint.ts';
import { serveMetrics } from './metrics-server.ts';

test('metrics are served in Prometheus’ form at one path, and nothing else is', async () => {
  const registry = new Registry();
  new Counter({ name: 'probe_total', help: 'A probe', registers: [registry] }).inc(3);
  const host = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  await using _ = await serveMetrics(endpointSchema.parse(`${host}:9100`), registry);
  const good = await fetch(`http://${host}:9100/metrics`);
  assert.equal(good.headers.get('content-type'), registry.contentType);
  assert.match(await good.text(), /^probe_total 3$/m);
  const post = await fetch(`http://${host}:9100/metrics`, { method: 'POST' });
  const elsewhere = await fetch(`http://${host}:9100/`);
  assert.deepEqual([post.status, elsewhere.status], [404, 404]);
});
