import { z } from 'zod';
import { endpointSchema } from '../model/endpoint.ts';
import {
  masterNameSchema,
  memberNameSchema,
  subsetNameSchema,
  vpnNameSchema,
} from '../model/names.ts';
import { addressSchema, prefixSchema } from '../model/prefix.ts';
import { keyingPhaseSchema } from '../model/records/directory.ts';
import { tokenTextSchema } from '../model/token-text.ts';
import { epochSchema } from '../model/wireguard-key.ts';
import { directPathSchema } from './direct-messages.ts';
import { timeMs } from './endpoint-parts.ts';
import { problemSchema } from './problem.ts';

/*
 * What a member's daemon answers on its local socket: HTTP over `member.sock` in the member's
 * directory. Whoever may open the socket may do all of it. Failures are a `Problem` (problem.ts).
 */

/** A request to the local socket, defined once for both ends. */
export interface LocalEndpoint<
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: Body;
  readonly response: Reply;
}

export function defineLocal<Body extends z.ZodType, Reply extends z.ZodType>(
  endpoint: LocalEndpoint<Body, Reply>,
): LocalEndpoint<Body, Reply> {
  return endpoint;
}

/** What whoever accepts answers in parts accepts: lines of JSON. */
export const localLinesType = 'application/x-ndjson';

/** A line of an answer in parts, which is one once there is something to tell; the last is no `progress`. */
export const localLineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), text: z.string() }),
  z.object({ type: z.literal('answer'), answer: z.unknown() }),
  z.object({ type: z.literal('failed'), status: z.number().int(), problem: problemSchema }),
]);
export type LocalLine = z.infer<typeof localLineSchema>;

/** `VPN.SUBSET`: how a membership is named locally. */
export const membershipNameSchema = z.string().max(65);

/**
 * - `joining`: its invite has been sent or is about to be; ends in `resuming` or is dropped.
 * - `connecting`: trying the masters in turn.
 * - `resuming`: connected; nothing heard yet since saying which view it has.
 * - `live`: the master answers, and changes are applied as they come.
 * - `waiting`: no master answered or took the member; tries again by itself.
 * - `ended`: over for good; `endReason` says why.
 */
export const sessionStateSchema = z.enum([
  'joining',
  'connecting',
  'resuming',
  'live',
  'waiting',
  'ended',
]);
export type SessionState = z.infer<typeof sessionStateSchema>;

/** A member's tunnel to one of its masters. */
const memberPathSchema = z.object({
  interfaceName: z.string(),
  /** Whether packets to the rest of the VPN take it. */
  inUse: z.boolean(),
  isAlive: z.boolean(),
  /** Whether anything was seen that says so; before, it is only hoped. */
  isProven: z.boolean(),
  /** For so long it has been alive, or dead. */
  sinceMs: timeMs,
  /** Where packets to the master go: `address:port`; its control endpoint while HTTPS carries them. */
  endpoint: z.string().optional(),
  /** `https`: UDP does not get through, and packets go inside a connection to the control port. */
  over: z.enum(['udp', 'https']).default('udp'),
  /** Absent when there was no handshake yet. */
  handshakeAgeMs: z.number().optional(),
  /** Of the last probe that was answered. */
  roundTripMs: z.number().optional(),
  receivedBytes: z.number(),
  sentBytes: z.number(),
});
export type MemberPath = z.infer<typeof memberPathSchema>;

export const membershipStatusSchema = z.object({
  membership: membershipNameSchema,
  vpn: vpnNameSchema,
  subset: subsetNameSchema,
  name: memberNameSchema,
  session: z.object({
    state: sessionStateSchema,
    sinceMs: timeMs,
    /** The master at the other end. */
    master: masterNameSchema.optional(),
    /** Why the last attempt or session came to its end. */
    lastError: z.string().optional(),
    reconnects: z.number().int(),
  }),
  endReason: z.string().optional(),
  /** The last order to move to another subset, and what has become of it. */
  move: z
    .object({
      to: subsetNameSchema,
      stage: z.enum(['joining', 'moved', 'not-moved']),
      /** When this membership ends, of one that has moved. */
      leavesAtMs: timeMs.optional(),
      /** Why it has not moved. */
      reason: z.string().optional(),
    })
    .optional(),
  /** Absent before the admission and after the end. */
  place: z
    .object({ ipv4: addressSchema, ipv6: addressSchema, prefixes: z.array(prefixSchema) })
    .optional(),
  epoch: epochSchema.optional(),
  appliedRevision: z.number().int().optional(),
  certificateEndsAtMs: timeMs.optional(),
  /** In the order in which this member uses them. */
  masters: z.array(
    z.object({
      name: masterNameSchema,
      /** `acting`: whoever may change the roll now. */
      role: z.enum(['acting', 'backup']),
      control: endpointSchema,
      /** The tunnel to it; absent until it is configured. */
      path: memberPathSchema.optional(),
    }),
  ),
  /** How often traffic has moved from one master to another since the daemon's start. */
  pathMoves: z.number().int().optional(),
  /** Those that failed lately as well. */
  direct: z.array(directPathSchema).default([]),
  /** Whether masters may read what passes between members. */
  keying: keyingPhaseSchema.optional(),
  /** Members to whom there are tunnels that no master can open, the earliest first. */
  sealedTo: z.array(z.object({ name: memberNameSchema, subset: subsetNameSchema })).default([]),
  /** How often traffic has moved between a master and a direct path since the daemon's start. */
  directMoves: z.number().int().optional(),
  /** How often a master has introduced somebody who was not to be trusted. */
  introductionsRefused: z.number().int().optional(),
});
export type MembershipStatus = z.infer<typeof membershipStatusSchema>;

export const memberStatusSchema = z.object({
  startedAtMs: timeMs,
  wireguard: z.object({ backend: z.enum(['kernel', 'wireguard-go']), version: z.string() }),
  memberships: z.array(membershipStatusSchema),
});
export type MemberStatus = z.infer<typeof memberStatusSchema>;

export const localStatus = defineLocal({
  method: 'GET',
  path: '/v1/status',
  body: z.undefined(),
  response: memberStatusSchema,
});

/**
 * Joins one more VPN or subset with the daemon that runs; answers when the tunnel is up, and tells until
 * then how a subset is found that the invite leaves open.
 */
export const localJoin = defineLocal({
  method: 'POST',
  path: '/v1/join',
  body: z.object({ token: tokenTextSchema, name: memberNameSchema.optional() }),
  response: z.object({
    membership: membershipNameSchema,
    name: memberNameSchema,
    ipv4: addressSchema,
    ipv6: addressSchema,
  }),
});

/** Leaves; answers when the master has recorded it, or at once with `force`. */
export const localLeave = defineLocal({
  method: 'POST',
  path: '/v1/leave',
  body: z.object({
    /** May be left out when there is only one. */
    membership: membershipNameSchema.optional(),
    /** Only forgets it here: for when no master can be reached. */
    force: z.boolean().default(false),
  }),
  response: z.object({ membership: membershipNameSchema, reason: z.string() }),
});

/** Prometheus text format; not JSON, so no `LocalEndpoint`. */
export const localMetricsPath = '/metrics';
