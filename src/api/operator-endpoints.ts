import { z } from 'zod';
import { operatorNameSchema } from '../model/names.ts';
import { operatorRecordSchema } from '../model/records/directory.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { nothing } from './endpoint-parts.ts';

/*
 * What operators ask about operators.
 */

/** Without the record's version, which is the store's business. */
const operatorViewSchema = operatorRecordSchema.omit({ version: true });
export type OperatorView = z.infer<typeof operatorViewSchema>;

export const listOperators = defineEndpoint({
  method: 'GET',
  path: '/v1/operators',
  summary: 'Every operator, also those that are revoked',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: nothing,
  body: nothing,
  response: z.object({ operators: z.array(operatorViewSchema) }),
});

export const revokeOperator = defineEndpoint({
  method: 'POST',
  path: '/v1/operators/:operator/revocation',
  summary: 'Takes an operator’s rights away at every master, for good',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: z.object({ operator: operatorNameSchema }),
  query: nothing,
  body: nothing,
  response: operatorViewSchema,
});
