import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { everyEndpoint } from '../../test/support/every-endpoint.ts';
import * as failoverEndpoints from './failover-endpoints.ts';

/** The kinds of document that an endpoint answers with. */
function documentsOf(response: z.ZodType): readonly z.ZodType[] {
  return response instanceof z.ZodDiscriminatedUnion
    ? response.options.map((option) => option as z.ZodType)
    : [response];
}

test('a field that a later version has added to a reply is passed over, also where there was none', () => {
  assert.ok(everyEndpoint.length > 20);
  for (const { method, path, response } of everyEndpoint) {
    for (const document of documentsOf(response)) {
      assert.ok(document instanceof z.ZodObject, `${method} ${path}`);
      assert.equal(document.def.catchall, undefined, `${method} ${path}`);
    }
  }
  const reply = failoverEndpoints.handOver.response.parse({ addedLater: { since: 2 } });
  assert.deepEqual(reply, {});
});

test('a request that says more than this version understands is refused where there is nothing to say', () => {
  const more = { addedLater: { since: 2 } };
  const { body } = failoverEndpoints.returnMaster;
  assert.equal(body.safeParse(more).success, false);
  assert.deepEqual(failoverEndpoints.handOver.body.parse({ change: 'returned', ...more }), {
    change: 'returned',
  });
});
