import { z } from 'zod';
import { auditRecordSchema, vpnAuditRecordSchema } from '../model/records/audit.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { nothing, ofSubset } from './endpoint-parts.ts';

export const listAudit = defineEndpoint({
  method: 'GET',
  path: '/v1/subsets/:subset/audit',
  summary: 'Every membership change, newest first',
  responsible: 'serving',
  caller: 'operator',
  reply: 'one',
  params: ofSubset,
  query: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
  body: nothing,
  response: z.object({ entries: z.array(auditRecordSchema) }),
});

export const listVpnAudit = defineEndpoint({
  method: 'GET',
  path: '/v1/audit',
  summary: 'What operators have changed for the whole VPN, newest first',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: z.object({ limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
  body: nothing,
  response: z.object({ entries: z.array(vpnAuditRecordSchema) }),
});
