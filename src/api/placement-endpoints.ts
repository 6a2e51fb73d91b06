import { z } from 'zod';
import {
  maxPolicyBytes,
  placementPolicyRecordSchema,
  policyTextSchema,
} from '../model/records/directory.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { done, nothing } from './endpoint-parts.ts';

/*
 * What operators ask about the policy by which members are placed.
 */

/** Of the record in the store; 0 where there is none. Greater after every change. */
const revision = z.number().int().nonnegative();
/** The revision that the caller has seen, and wants to change: nobody overwrites what he has not read. */
const ofRevision = z.object({ ifRevision: z.coerce.number().pipe(revision) });

export const storedPolicySchema = z.object({
  revision,
  /** Absent where none is stored and the defaults are used. */
  policy: placementPolicyRecordSchema.omit({ version: true, written: true }).optional(),
});
export type StoredPolicy = z.infer<typeof storedPolicySchema>;

const policyEndpoint = {
  path: '/v1/placement/policy',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
} as const;

export const getPlacementPolicy = defineEndpoint({
  ...policyEndpoint,
  method: 'GET',
  summary: 'The placement policy of the VPN, as it was written, and who wrote it',
  query: nothing,
  body: nothing,
  response: storedPolicySchema,
});

export const setPlacementPolicy = defineEndpoint({
  ...policyEndpoint,
  method: 'PUT',
  summary: 'Stores a placement policy in the place of the one that the caller has seen',
  query: ofRevision,
  body: z.object({ text: policyTextSchema }),
  /** In JSON, quotes and ends of lines are two bytes each. */
  maxBodyBytes: 2 * maxPolicyBytes + 1_024,
  response: z.object({ revision }),
});

export const removePlacementPolicy = defineEndpoint({
  ...policyEndpoint,
  method: 'DELETE',
  summary:
    'Removes the placement policy that the caller has seen: the defaults are used from then on',
  query: ofRevision,
  body: nothing,
  response: done,
});
