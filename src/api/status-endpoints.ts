import { z } from 'zod';
import { masterNameSchema, memberNameSchema, subsetNameSchema } from '../model/names.ts';
import { auditRecordSchema } from '../model/records/audit.ts';
import { epochSchema } from '../model/wireguard-key.ts';
import { defineEndpoint } from './endpoint-definition.ts';
import { nothing, timeMs } from './endpoint-parts.ts';

/** Control messages and store events that a master has received, since it started. */
export const receivedCountSchema = z.object({
  /** `member:SUBSET`, `operator:NAME`, `master:NAME`, `store`, or `unknown` before anyone is authenticated. */
  sender: z.string(),
  kind: z.string(),
  count: z.number().int().nonnegative(),
});

export const masterStatusSchema = z.object({
  master: masterNameSchema,
  software: z.string(),
  startedAtMs: timeMs,
  wireguard: z.object({ backend: z.enum(['kernel', 'wireguard-go']), version: z.string() }),
  store: z.string(),
  /** Prefixes that it watches in the store; only the directory and its own subsets' rolls. */
  watches: z.array(z.string()),
  subsets: z.array(
    z.object({
      name: subsetNameSchema,
      /** `backup`: it follows the roll and serves members that cannot use another master. */
      role: z.enum(['acting', 'backup']),
      epoch: epochSchema.optional(),
      keyCreatedAtMs: timeMs.optional(),
      members: z.number().int(),
      /** Came back with a restored backup and wait for an operator's word. */
      suspended: z.number().int().default(0),
      connected: z.number().int(),
    }),
  ),
  masters: z.array(
    z.object({
      name: masterNameSchema,
      /** Age of the last WireGuard handshake; absent when there was none. */
      handshakeAgeMs: z.number().optional(),
      /** Whether packets come and go; absent before the tunnel was tried. */
      isAlive: z.boolean().optional(),
      /** Since when it is so. */
      sinceMs: timeMs.optional(),
    }),
  ),
  received: z.array(receivedCountSchema),
  /** Requests, joins and sessions that were refused, by code. */
  refused: z.array(z.object({ code: z.string(), count: z.number().int() })),
});
export type MasterStatus = z.infer<typeof masterStatusSchema>;

export const getStatus = defineEndpoint({
  method: 'GET',
  path: '/v1/status',
  summary: 'How this one master is doing',
  responsible: 'any',
  caller: 'operator',
  reply: 'one',
  params: nothing,
  query: nothing,
  body: nothing,
  response: masterStatusSchema,
});

/** Something that happened at this master just now. */
export const liveEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('membership'), entry: auditRecordSchema }),
  z.object({
    type: z.literal('session'),
    atMs: timeMs,
    subset: subsetNameSchema,
    member: memberNameSchema,
    change: z.enum(['connected', 'disconnected']),
    reason: z.string().optional(),
  }),
  z.object({ type: z.literal('refusal'), atMs: timeMs, code: z.string(), message: z.string() }),
]);
export type LiveEvent = z.infer<typeof liveEventSchema>;

export const watchEvents = defineEndpoint({
  method: 'GET',
  path: '/v1/events',
  summary: 'What happens at this master, as it happens',
  responsible: 'any',
  caller: 'operator',
  reply: 'stream',
  params: nothing,
  query: nothing,
  body: nothing,
  response: liveEventSchema,
});
